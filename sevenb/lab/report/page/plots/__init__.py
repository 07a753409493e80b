"""Plots as SVG, drawn by hand: lines over an axis, stacked bars, and shares with their intervals."""
