"""Model inputs made of texts: for calibration, sensitivity, verification and golden outputs."""
