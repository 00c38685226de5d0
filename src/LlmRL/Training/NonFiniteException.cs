namespace LlmRL.Training;

/// <summary>A loss or a gradient is NaN or infinite. The run stops before the weights are touched.</summary>
public sealed class NonFiniteException(string message) : Exception(message);
