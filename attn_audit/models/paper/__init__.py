"""The paper's models: an encoder, attention over its states, a readout of their average."""
