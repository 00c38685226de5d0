using System.Xml.Linq;
using LlmRL.Benchmarks;
using LlmRL.Models;
using LlmRL.Scaling;
using LlmRL.Tests.Runs;
using LlmRL.Training;

namespace LlmRL.Tests.Benchmarks;

/// <summary>Plan, formulas and report of the scaling curves, on made-up measurements.</summary>
public sealed class ScalingTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void EveryPointCanBeRunAndHasANameOfItsOwn(bool quick)
    {
        var points = ScalingPlan.Points(quick);
        Assert.Equal(points.Count, points.Select(point => point.Key).Distinct().Count());
        Assert.All(points, point => point.Shape.Check(point.Phase, point.Config(folder.Path)));
        Assert.Contains(points, point => point is { Axis: ScalingPlan.Vocabulary, Phase: BenchPhase.Grpo, Vocabulary: 150_000 });
        // A slope needs two places at least.
        Assert.All(points.GroupBy(point => (point.Axis, point.Curve)), curve => Assert.True(curve.Select(point => point.X).Distinct().Count() > 1, curve.Key.ToString()));
    }

    /// <summary>16 bytes a weight in training, 8 with AdamW's moments on the disk, and a head that holds no logits once they were more than 2²⁴ numbers.</summary>
    [Fact]
    public void MemoryGrowsWithTheWeightsAlone()
    {
        var small = ModelConfigFile.Read(new ModelSize(64, 2, 2, 96).Write(folder.Path));
        var (shape, large) = (new BenchShape(16, 1, 2, 254), small with { VocabSize = 150_000 });
        double Grown(BenchPhase phase, OptimizerOffload offload = OptimizerOffload.None) => MemoryCost.Bytes(phase, large, shape, offload) - MemoryCost.Bytes(phase, small, shape, offload);
        var (entries, head) = ((150_000.0 - 512) * 64, (17 * 1536.0 * 64) - (1536.0 * 512));
        Assert.Equal(16 * entries + 4 * head, Grown(BenchPhase.Sft), 1.0);
        Assert.Equal(20 * entries + 4 * head, Grown(BenchPhase.Grpo), 1.0);
        Assert.Equal(12 * entries + 4 * head, Grown(BenchPhase.Grpo, OptimizerOffload.Disk), 1.0);
        Assert.Equal(MemoryCost.Head(BenchPhase.Sft, large, shape), MemoryCost.Head(BenchPhase.Sft, large with { VocabSize = 300_000 }, shape));
    }

    /// <summary>Times that are as the formula says have its slope, and a memory beyond what is allowed is said to be.</summary>
    [Fact]
    public void ReportTellsSlopesAndTheVerdict()
    {
        var points = ScalingPlan.Points(quick: true).Select(point =>
        {
            var config = point.Config(folder.Path);
            var seconds = 3 * PhaseCost.LeastSeconds(point.Phase, config, point.Shape, 1e11, 1e10);
            return new Measured(point, Result(point, seconds, 200 + (point.Vocabulary < 100_000 ? 0 : point.Offload == OptimizerOffload.Disk ? 500 : 10_000)), config);
        }).ToList();
        var text = File.ReadAllText(ScalingReport.Write(folder.Path, points));
        foreach (var row in text.Split('\n').Where(line => line.StartsWith("| sft", StringComparison.Ordinal)))
        {
            var cells = row.Split('|', StringSplitOptions.TrimEntries);
            Assert.Equal(cells[5], cells[4]);
        }

        Assert.Contains("Within what is allowed: **no**, with the moments' room **no**; with the moments on disk: yes.", text, StringComparison.Ordinal);
        foreach (var picture in Directory.GetFiles(folder.Path, "*.svg"))
            Assert.Contains(XDocument.Load(picture).Descendants(), element => element.Name.LocalName == "circle");
    }

    private static BenchResult Result(ScalingPoint point, double seconds, double megabytes) => new()
    {
        Phase = BenchRun.Name(point.Phase),
        Model = "made up",
        Device = "cpu",
        SecondsPerStep = new(seconds, seconds, seconds),
        PeakRssMb = megabytes,
        MatmulGflops = 100,
        ReadGbps = 10,
        FractionOfLimit = 0.33,
        Shape = point.Shape,
        Steps = 2,
    };
}
