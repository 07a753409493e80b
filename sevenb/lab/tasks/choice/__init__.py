"""Multiple choice: MMLU, CMMLU, C-Eval."""
