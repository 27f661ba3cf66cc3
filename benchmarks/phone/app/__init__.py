"""The sample app on a phone: its activities and its inbox."""
