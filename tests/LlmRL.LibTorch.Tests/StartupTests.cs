using LlmRL.Native;
using TorchSharp;
using static LlmRL.LibTorch.Tests.Make;
using static TorchSharp.torch;

namespace LlmRL.LibTorch.Tests;

public class StartupTests
{
    private static EnvironmentPlan Decide(VectorLevel cpu, params (string Name, string Value)[] environment)
    {
        Dictionary<string, string> variables = environment.ToDictionary(entry => entry.Name, entry => entry.Value);
        return EnvironmentPlan.Decide(name => variables.GetValueOrDefault(name), cpu);
    }

    [Fact]
    public void An_empty_environment_gets_a_passive_wait_policy_without_a_word()
    {
        EnvironmentPlan plan = Decide(VectorLevel.Avx512);
        Assert.Equal([("OMP_WAIT_POLICY", "passive")], plan.Changes);
        Assert.Empty(plan.Notes);
    }

    [Fact]
    public void The_users_wait_policy_stays() => Assert.Empty(Decide(VectorLevel.Avx512, ("OMP_WAIT_POLICY", "active")).Changes);

    [Theory]
    [InlineData("Haswell", VectorLevel.Avx512, true)]
    [InlineData("ZEN", VectorLevel.Avx512, true)]
    [InlineData("Haswell", VectorLevel.Avx2, false)]
    [InlineData("Sandybridge", VectorLevel.Avx2, true)]
    [InlineData("Prescott", VectorLevel.Avx2, true)]
    [InlineData("SkylakeX", VectorLevel.Avx512, false)]
    [InlineData("Cooperlake", VectorLevel.Avx512, false)]
    [InlineData("SkylakeX", VectorLevel.Avx2, false)]
    [InlineData("NEOVERSEN1", VectorLevel.Sse, false)]
    public void A_weaker_kernel_than_the_cpu_has_is_dropped(string kernel, VectorLevel cpu, bool dropped)
    {
        EnvironmentPlan plan = Decide(cpu, ("OMP_WAIT_POLICY", "passive"), ("OPENBLAS_CORETYPE", kernel), ("OPENBLAS_L2_SIZE", "512"));
        Assert.Equal(dropped ? [("OPENBLAS_CORETYPE", null), ("OPENBLAS_L2_SIZE", null)] : [], plan.Changes);
        if (!dropped)
        {
            Assert.Empty(plan.Notes);
            return;
        }
        Assert.Contains($"OPENBLAS_CORETYPE={kernel}", Assert.Single(plan.Notes));
        Assert.Contains("LLMRL_KEEP_BLAS_ENV", plan.Notes[0]);
    }

    [Fact]
    public void The_user_can_keep_the_kernel()
    {
        EnvironmentPlan plan = Decide(VectorLevel.Avx512, ("OPENBLAS_CORETYPE", "Haswell"), ("LLMRL_KEEP_BLAS_ENV", "1"), ("OMP_WAIT_POLICY", "passive"));
        Assert.Empty(plan.Changes);
        Assert.Empty(plan.Notes);
    }

    [Fact]
    public void Preparation_happens_once() => Assert.Same(Startup.Prepare(), Startup.Prepare());

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public unsafe void Sgemm_is_the_matrix_product(bool transA, bool transB)
    {
        const int M = 3, N = 4, K = 5, Pad = 2;
        using DisposeScope scope = NewDisposeScope();
        using Generator generator = new(1);
        Tensor a = randn([transA ? K : M, (transA ? M : K) + Pad], generator: generator);
        Tensor b = randn([transB ? N : K, (transB ? K : N) + Pad], generator: generator);
        Tensor c = randn([M, N + Pad], generator: generator);
        Tensor left = transA ? a[.., ..M].t() : a[.., ..K];
        Tensor right = transB ? b[.., ..K].t() : b[.., ..N];
        Tensor expected = c.clone();
        expected[.., ..N] = left.mm(right) * 2 + c[.., ..N] * 0.5;
        foreach (bool direct in (bool[])[true, false])
        {
            Tensor result = c.clone();
            float* pa = (float*)NativeTorch.DataPointer(a);
            float* pb = (float*)NativeTorch.DataPointer(b);
            float* pc = (float*)NativeTorch.DataPointer(result);
            if (direct) Blas.Sgemm(transA, transB, M, N, K, 2, pa, (int)a.size(1), pb, (int)b.size(1), 0.5f, pc, N + Pad);
            else Blas.ThroughLibtorch(transA, transB, M, N, K, 2, pa, (int)a.size(1), pb, (int)b.size(1), 0.5f, pc, N + Pad);
            AssertClose(Values(expected), result, 1e-5);
        }
    }

    [Fact]
    public void Libraries_that_libtorch_names_and_never_calls_are_not_loaded()
    {
        var folder = Path.Combine(Path.GetDirectoryName(NativeTorch.LibraryPath)!, "stand-ins");
        _ = NativeTorch.Version;
        // build.sh makes them for the system's libtorch; one that is named with LIBTORCH has no such needs.
        var names = Directory.Exists(folder) ? Directory.GetFiles(folder).Select(path => Path.GetFileName(path)).ToArray() : [];
        Assert.Equal(names.Length, Startup.StandInCount);
        var loaded = File.ReadLines("/proc/self/maps").Where(line => line.Contains('/')).Select(line => line[line.IndexOf('/')..]).ToHashSet();
        Assert.All(names, name => Assert.Contains(Path.Combine(folder, name), loaded));
        if (names.Length > 0)
            Assert.DoesNotContain(loaded, path => Path.GetFileName(path).StartsWith("libopencv_", StringComparison.Ordinal) && !path.StartsWith(folder, StringComparison.Ordinal));
    }
}
