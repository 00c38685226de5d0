using Xunit.Abstractions;

namespace LlmRL.Tests.Rollouts;

[Trait("Category", "Bench")]
public sealed class RolloutBenchRuns(ITestOutputHelper output)
{
    [BenchFact]
    public void SamplingSpeed()
    {
        output.WriteLine(RolloutBench.Measure("A", RolloutBench.ModelA, 32, 1));
        output.WriteLine(RolloutBench.Measure("A", RolloutBench.ModelA, 32, 8));
        output.WriteLine(RolloutBench.Measure("B", RolloutBench.ModelB, 16, 1));
        output.WriteLine(RolloutBench.Measure("B", RolloutBench.ModelB, 16, 8, repeats: 3));
    }

    [BenchFact]
    public void SamplingSpeedInTensorOperators()
    {
        output.WriteLine(RolloutBench.MeasureOnDevice("A", RolloutBench.ModelA, 32, 1));
        output.WriteLine(RolloutBench.MeasureOnDevice("A", RolloutBench.ModelA, 32, 8));
        output.WriteLine(RolloutBench.MeasureOnDevice("B", RolloutBench.ModelB, 16, 1, repeats: 3));
    }

    private sealed class BenchFactAttribute : FactAttribute
    {
        public BenchFactAttribute() => Skip = Environment.GetEnvironmentVariable("LLMRL_BENCH") == "1" ? null : "needs LLMRL_BENCH=1";
    }
}
