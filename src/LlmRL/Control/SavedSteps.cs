namespace LlmRL.Control;

/// <summary>Steps of a minibatch as a file holds them, N of them: what losses read.</summary>
/// <param name="Observations">What the agent saw, (N, O), row by row.</param>
/// <param name="Actions">a (N).</param>
/// <param name="OldLogProbs">log π_old(a|s) (N), nats.</param>
/// <param name="Advantages">A (N).</param>
/// <param name="OldValues">V at sampling time (N); null without a value network.</param>
/// <param name="Returns">Targets of the value network (N); null without one.</param>
/// <param name="Segments">Segments of the rollout, by which a sum over sequences is divided.</param>
public sealed record SavedSteps(float[] Observations, long[] Actions, float[] OldLogProbs, float[] Advantages, float[]? OldValues, float[]? Returns, int Segments);
