using System.Text;
using LlmRL.Benchmarks;
using LlmRL.Models;
using LlmRL.Runs;
using LlmRL.Training;

namespace LlmRL.Scaling;

/// <summary>A point with what was measured there.</summary>
internal sealed record Measured(ScalingPoint Point, BenchResult Result, ModelConfig Config)
{
    /// <summary>Median seconds of a step.</summary>
    public double Seconds => Result.SecondsPerStep.Median;

    /// <summary>Peak of the process, 10⁶ bytes; NaN where the system does not say.</summary>
    public double Megabytes => Result.PeakRssMb ?? double.NaN;

    /// <summary><see cref="MemoryCost"/>, 10⁶ bytes.</summary>
    public double PredictedMegabytes => MemoryCost.Bytes(Point.Phase, Config, Point.Shape, Point.Offload) / 1e6;

    /// <summary><see cref="PhaseCost.LeastSeconds"/> at given speeds.</summary>
    public double PredictedSeconds(double flopsPerSecond, double bytesPerSecond) => PhaseCost.LeastSeconds(Point.Phase, Config, Point.Shape, flopsPerSecond, bytesPerSecond);
}

/// <summary>Tables and plots of the curves.</summary>
internal static class ScalingReport
{
    /// <summary>Writes <c>scaling.md</c> and a plot for each axis.</summary>
    public static string Write(string folder, IReadOnlyList<Measured> all)
    {
        // One speed for all, so that a curve's shape is not that of another program's load.
        var flops = Spread.Of(all.Select(point => point.Result.MatmulGflops ?? double.NaN)).Median * 1e9;
        var bytes = Spread.Of(all.Select(point => point.Result.ReadGbps ?? double.NaN)).Median * 1e9;
        var text = new StringBuilder();
        text.Append(Text($"Matrix products of {Spread.Of(all.Select(point => point.Result.MatmulGflops ?? 0)).Min:N0} to {Spread.Of(all.Select(point => point.Result.MatmulGflops ?? 0)).Max:N0} GFLOP/s beside the points; {all[0].Result.Device}; "))
            .Append(Text($"{all[0].Result.Steps} steps a point. Slopes are those of log seconds against log x, by least squares over all points; predicted: of the least seconds at {flops / 1e9:N0} GFLOP/s and {bytes / 1e9:N0} GB/s. "))
            .Append("Memory is fitted by a straight line: megabytes more for each unit of x.\n");
        foreach (var axis in all.GroupBy(point => point.Point.Axis))
            Axis(text, folder, axis.Key, [.. axis], flops, bytes);
        Vocabulary(text, all);
        var file = Path.Combine(folder, "scaling.md");
        AtomicFile.WriteAllText(file, text.ToString());
        return file;
    }

    private static void Axis(StringBuilder text, string folder, string axis, Measured[] points, double flops, double bytes)
    {
        var picture = axis.Replace(' ', '-') + ".svg";
        text.Append(Text($"\n### {char.ToUpperInvariant(axis[0])}{axis[1..]}\n\n![{axis}]({picture})\n\n"))
            .Append("| phase | x | s/step | slope, measured | slope, predicted | of limit | peak MB | MB/unit, measured | MB/unit, predicted |\n|---|---|---|---|---|---|---|---|---|\n");
        var (times, memory) = (new List<LogLogSeries>(), new List<LogLogSeries>());
        foreach (var group in points.GroupBy(point => point.Point.Curve))
        {
            Measured[] curve = [.. group.OrderBy(point => point.Point.X)];
            double[] x = [.. curve.Select(point => point.Point.X)], seconds = [.. curve.Select(point => point.Seconds)], least = [.. curve.Select(point => point.PredictedSeconds(flops, bytes))];
            double[] held = [.. curve.Select(point => point.Megabytes)], needed = [.. curve.Select(point => point.PredictedMegabytes)];
            var (first, last) = (curve[0], curve[^1]);
            text.Append(Text($"| {group.Key.Name} | {first.Point.X:N0} → {last.Point.X:N0} | {first.Seconds:g3} → {last.Seconds:g3} | {Slope(Logs(x), Logs(seconds)):F2} | {Slope(Logs(x), Logs(least)):F2} "))
                .Append(Text($"| {100 * first.Result.FractionOfLimit:F0} → {100 * last.Result.FractionOfLimit:F0} % | {first.Megabytes:N0} → {last.Megabytes:N0} | {Slope(x, held):g3} | {Slope(x, needed):g3} |\n"));
            times.Add(new(group.Key.Name, ScalingPlan.Colour(group.Key), x, seconds, least));
            memory.Add(new(group.Key.Name, ScalingPlan.Colour(group.Key), x, held, [.. needed.Select(value => value + held[0] - needed[0])]));
        }

        AtomicFile.WriteAllText(Path.Combine(folder, picture), LogLogChart.Pair(("Seconds a step", "s", times), ("Peak memory, dashed: first point + formula", "MB", memory), axis));
    }

    /// <summary>How far a GRPO update's peak grows with the vocabulary, against the head's own weights, gradients and one chunk: with AdamW's moments in memory and on the disk.</summary>
    private static void Vocabulary(StringBuilder text, IReadOnlyList<Measured> all)
    {
        Measured[] Curve(BenchPhase phase, OptimizerOffload offload) =>
            [.. all.Where(point => point.Point.Axis == ScalingPlan.Vocabulary && point.Point.Curve == new ScalingCurve(phase, offload)).OrderBy(point => point.Point.X)];
        double Growth(Measured[] curve) => curve[^1].Megabytes - curve[0].Megabytes;
        if (Curve(BenchPhase.Grpo, OptimizerOffload.None) is not { Length: > 1 } curve || Curve(BenchPhase.Grpo, OptimizerOffload.Disk) is not { Length: > 1 } offloaded)
            return;
        var (low, high) = (curve[0], curve[^1]);
        var head = 4.0 * (high.Config.VocabSize - low.Config.VocabSize) * high.Config.HiddenSize / 1e6;
        var chunk = 4 * (MemoryCost.ChunkElements - MemoryCost.Head(BenchPhase.Grpo, low.Config, low.Point.Shape)) / 1e6;
        var (allowed, inMemory, onDisk) = (3 * head + chunk, Growth(curve), Growth(offloaded));
        text.Append(Text($"\n### A vocabulary of {high.Config.VocabSize:N0}\n\nThe peak of a process with GRPO steps grows by {inMemory:N0} MB from a vocabulary of {low.Config.VocabSize:N0}, "))
            .Append(Text($"with `optimizer_offload: disk` by {onDisk:N0} MB. Embedding and head are one matrix, {head:N0} MB more in each copy.\n\n"))
            .Append("| what may grow | MB | moments on disk |\n|---|---|---|\n")
            .Append(Text($"| the head's weights in policy and reference, and its gradient | {3 * head:N0} | {3 * head:N0} |\n| one chunk of logits, 2²⁴ numbers, less those of the small vocabulary | {chunk:N0} | {chunk:N0} |\n"))
            .Append(Text($"| **allowed** | **{allowed:N0}** | **{allowed:N0}** |\n| AdamW's two moments of the head | {2 * head:N0} | |\n| allowed with the moments | {allowed + 2 * head:N0} | |\n"));
        if (Curve(BenchPhase.Generate, OptimizerOffload.None) is { Length: > 1 } sampling)
            text.Append(Text($"| measured beside it: growth of sampling alone beyond its weights (tokenizer, logits of a step) | {Growth(sampling) - head:N0} | |\n"));
        text.Append(Text($"| **measured** | **{inMemory:N0}** | **{onDisk:N0}** |\n| s/step | {high.Seconds:g3} | {offloaded[^1].Seconds:g3} |\n\n"))
            .Append(Text($"Within what is allowed: {YesNo(inMemory <= allowed)}, with the moments' room {YesNo(inMemory <= allowed + 2 * head)}; with the moments on disk: {YesNo(onDisk <= allowed)}.\n"));
    }

    /// <summary>Least squares.</summary>
    private static double Slope(double[] x, double[] y)
    {
        double meanX = x.Average(), meanY = y.Average();
        return x.Zip(y, (a, b) => (a - meanX) * (b - meanY)).Sum() / x.Sum(a => (a - meanX) * (a - meanX));
    }

    private static double[] Logs(double[] values) => [.. values.Select(value => Math.Log(value))];

    private static string YesNo(bool holds) => holds ? "yes" : "**no**";

    private static string Text(FormattableString text) => FormattableString.Invariant(text);
}
