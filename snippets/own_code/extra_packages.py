"""A package that AlphaMed's nodes do not have."""

# --8<-- [start:pack]
from alphamed_tutorials import new, pack

scheduler_file = new("scored") / "scheduler.py"
code = scheduler_file.read_text(encoding="utf-8")
first_line = "from sklearn.metrics import roc_auc_score\n"
scheduler_file.write_text(first_line + code, encoding="utf-8")

report = pack("scored", "upload-scored")
print(report["requirements"])
print([file["name"] for file in report["src.zip"]])
# --8<-- [end:pack]
