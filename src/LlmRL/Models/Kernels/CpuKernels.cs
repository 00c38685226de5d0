namespace LlmRL.Models.Kernels;

/// <summary>Which path the CPU takes.</summary>
internal static class CpuKernels
{
    /// <summary>The variable that switches them off.</summary>
    public const string Variable = "LLMRL_OPERATORS";

    /// <summary>
    /// Whether models and optimizers on the CPU use the fused kernels; <c>LLMRL_OPERATORS=1</c> has them compose ATen operators, as other devices do: slower, but the way
    /// to walk through a GPU's path without one, bfloat16 included.
    /// </summary>
    public static bool AreWanted { get; } = Environment.GetEnvironmentVariable(Variable) is not "1";
}
