"""int8 and int4: which integers a model's weights become."""
