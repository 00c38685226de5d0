namespace LlmRL.Native;

/// <summary>The widest vector instructions of the CPU that OpenBLAS has kernels for.</summary>
public enum VectorLevel
{
    /// <summary>SSE2 to SSE4, or a CPU that is not x86.</summary>
    Sse,

    /// <summary>AVX without AVX2.</summary>
    Avx,

    /// <summary>AVX2 with FMA.</summary>
    Avx2,

    /// <summary>AVX-512.</summary>
    Avx512,
}

/// <summary>What to change in the C environment before libtorch, OpenMP and OpenBLAS read it. A null value unsets the variable.</summary>
/// <param name="Changes">Variables to set or unset, in order.</param>
/// <param name="Notes">One line for each change that overrides a choice of the user.</param>
public sealed record EnvironmentPlan(IReadOnlyList<(string Name, string? Value)> Changes, IReadOnlyList<string> Notes)
{
    private static readonly Dictionary<string, VectorLevel> s_kernelLevels = new(StringComparer.OrdinalIgnoreCase)
    {
        ["Prescott"] = VectorLevel.Sse,
        ["Core2"] = VectorLevel.Sse,
        ["Penryn"] = VectorLevel.Sse,
        ["Dunnington"] = VectorLevel.Sse,
        ["Nehalem"] = VectorLevel.Sse,
        ["Atom"] = VectorLevel.Sse,
        ["Athlon"] = VectorLevel.Sse,
        ["Opteron"] = VectorLevel.Sse,
        ["Opteron_SSE3"] = VectorLevel.Sse,
        ["Barcelona"] = VectorLevel.Sse,
        ["Bobcat"] = VectorLevel.Sse,
        ["Sandybridge"] = VectorLevel.Avx,
        ["Bulldozer"] = VectorLevel.Avx,
        ["Piledriver"] = VectorLevel.Avx,
        ["Steamroller"] = VectorLevel.Avx,
        ["Haswell"] = VectorLevel.Avx2,
        ["Excavator"] = VectorLevel.Avx2,
        ["Zen"] = VectorLevel.Avx2,
        ["SkylakeX"] = VectorLevel.Avx512,
        ["Cooperlake"] = VectorLevel.Avx512,
        ["SapphireRapids"] = VectorLevel.Avx512,
    };

    /// <summary>Decides from the environment as found and the CPU; touches nothing.</summary>
    public static EnvironmentPlan Decide(Func<string, string?> environment, VectorLevel cpu)
    {
        List<(string, string?)> changes = [];
        List<string> notes = [];
        // Idle OpenMP threads that spin steal time from the .NET threads between operators.
        if (string.IsNullOrEmpty(environment("OMP_WAIT_POLICY"))) changes.Add(("OMP_WAIT_POLICY", "passive"));
        string? kernel = environment("OPENBLAS_CORETYPE");
        bool keep = environment("LLMRL_KEEP_BLAS_ENV") is "1";
        if (!keep && kernel is not null && s_kernelLevels.TryGetValue(kernel, out VectorLevel level) && level < cpu)
        {
            changes.Add(("OPENBLAS_CORETYPE", null));
            if (environment("OPENBLAS_L2_SIZE") is not null) changes.Add(("OPENBLAS_L2_SIZE", null));
            notes.Add($"OPENBLAS_CORETYPE={kernel} ignored: this CPU has {Name(cpu)} (LLMRL_KEEP_BLAS_ENV=1 keeps it)");
        }
        return new EnvironmentPlan(changes, notes);
    }

    private static string Name(VectorLevel level) => level switch
    {
        VectorLevel.Avx512 => "AVX-512",
        VectorLevel.Avx2 => "AVX2",
        VectorLevel.Avx => "AVX",
        _ => "SSE",
    };
}
