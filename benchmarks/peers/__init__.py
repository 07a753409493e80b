"""llama.cpp and ik_llama.cpp under measurement, each in an environment and a process of its own."""
