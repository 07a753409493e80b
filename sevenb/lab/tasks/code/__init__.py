"""Programs that models write, judged by running them: HumanEval."""
