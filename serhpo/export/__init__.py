"""A trial's model to take home: an exported folder, and predictions for any recording.

from serhpo.export import EmotionModel
model = EmotionModel.from_pretrained("my-model")
print(model.predict("a.wav"))
"""

from __future__ import annotations

from serhpo.export.model import EmotionModel, ModelSettings, Prediction
from serhpo.export.trial import export_trial

__all__ = ["EmotionModel", "ModelSettings", "Prediction", "export_trial"]
