"""What models are asked: instruments, personas, questions; bundled or fetched."""
