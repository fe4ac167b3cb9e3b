"""The models as estimators of scikit-learn."""
