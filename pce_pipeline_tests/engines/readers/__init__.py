"""One program per engine, for the environment that the engine needs: nothing of ours is imported but the question."""
