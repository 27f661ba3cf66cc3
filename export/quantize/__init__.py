"""int8 and int4: which numbers a model's weights become."""
