"""Editor completion as llama.cpp's server has it."""
