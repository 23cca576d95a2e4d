#!/usr/bin/env bash
# Makes, once, what cluster.yaml uses in your AWS account and prints what to fill in:
# a key pair, a security group, a role for the head, a shared folder (EFS, pay per GB). Needs the AWS CLI.
#
#   AWS_REGION=us-east-1 cluster/aws-prepare.sh [SUBNET-ID]     without one: a default subnet
set -euo pipefail
export AWS_REGION=${AWS_REGION:-us-east-1} AWS_PAGER=
export AWS_DEFAULT_REGION=$AWS_REGION  # what version 1 of the CLI reads
key=~/.ssh/serhpo.pem

if [ $# -gt 0 ]; then which=(--subnet-ids "$1"); else which=(--filters Name=default-for-az,Values=true); fi
read -r subnet vpc < <(aws ec2 describe-subnets "${which[@]}" --query 'Subnets[0].[SubnetId,VpcId]' --output text)

if [ ! -e "$key" ]; then
  (umask 077 && aws ec2 create-key-pair --key-name serhpo --query KeyMaterial --output text > "$key")
fi

# Between the machines everything, from outside SSH alone, and that from this address alone.
group=$(aws ec2 create-security-group --group-name serhpo --vpc-id "$vpc" --description serhpo \
  --query GroupId --output text)
here=${MY_ADDRESS:-$(curl -fsS https://checkip.amazonaws.com)}
aws ec2 authorize-security-group-ingress --group-id "$group" --protocol -1 --source-group "$group" > /dev/null
aws ec2 authorize-security-group-ingress --group-id "$group" --protocol tcp --port 22 --cidr "$here/32" > /dev/null

# The head starts machines, and ends those that carry Ray's tag with this cluster's name.
trust='{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
  "Principal": {"Service": "ec2.amazonaws.com"}}]}'
may='{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Resource": "*", "Action": ["ec2:RunInstances", "ec2:CreateTags", "ec2:Describe*",
    "ssm:GetParameters"]},
  {"Effect": "Allow", "Resource": "*", "Action": ["ec2:TerminateInstances", "ec2:StopInstances"],
    "Condition": {"StringEquals": {"aws:ResourceTag/ray-cluster-name": "serhpo"}}}]}'
aws iam create-role --role-name serhpo-head --assume-role-policy-document "$trust" > /dev/null
aws iam put-role-policy --role-name serhpo-head --policy-name serhpo-head --policy-document "$may"
aws iam create-instance-profile --instance-profile-name serhpo-head > /dev/null
aws iam add-role-to-instance-profile --instance-profile-name serhpo-head --role-name serhpo-head

files=$(aws efs create-file-system --creation-token serhpo --encrypted --query FileSystemId --output text)
for _ in $(seq 60); do
  state=$(aws efs describe-file-systems --file-system-id "$files" --query 'FileSystems[0].LifeCycleState' --output text)
  [ "$state" = available ] && break
  sleep 2
done
aws efs create-mount-target --file-system-id "$files" --subnet-id "$subnet" --security-groups "$group" > /dev/null

cat <<END
Fill in cluster/cluster.yaml:
  SecurityGroupIds: [$group]
  SubnetId: $subnet
  $files.efs.$AWS_REGION.amazonaws.com:/
END
