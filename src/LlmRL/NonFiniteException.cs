namespace LlmRL;

/// <summary>A logit, a loss or a gradient is NaN or infinite. The run stops before the weights are touched.</summary>
public sealed class NonFiniteException(string message) : InvalidOperationException(message);
