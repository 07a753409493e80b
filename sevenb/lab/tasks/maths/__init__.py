"""Mathematics: word problems with a number as answer (GSM8K, CMATH) and formulas (MATH)."""
