using LlmRL.Runs;
using LlmRL.Runs.Plotting;

namespace LlmRL.Sweeps;

/// <summary>Learning curves of a sweep: logged metrics of every run, averaged over seeds.</summary>
internal static class SweepCurves
{
    private const int MinPointsToSmooth = 16;
    private const double Smoothing = 0.02;

    /// <summary>The curves that the sweep asks for; without any, the headline metrics of the last stage that trains.</summary>
    public static IReadOnlyList<SweepCurve> Wanted(SweepResults results)
    {
        if (results.Plan.Sweep.Sweep.Curves is { Count: > 0 } given)
            return given;
        if (results.Stages.LastOrDefault(stage => stage.Steps > 0) is not { } trained)
            return [];
        var logged = results.Runs.SelectMany(result => result.Rows).Where(row => row.Stage == trained.Name).SelectMany(row => row.Values.Keys).ToHashSet();
        return [.. MetricCatalog.Headlines(trained.Kind).Where(logged.Contains).DistinctBy(name => MetricCatalog.Describe(name).Title).Take(3).Select(name => new SweepCurve { Metric = name })];
    }

    /// <summary>A variant's curve: mean over seeds with a band of one standard error, each seed's values smoothed first. Without points where no run logged the metric.</summary>
    public static Curve Of(IEnumerable<SweepRunResult> runs, SweepCurve curve, string name)
    {
        var seeds = runs.Select(run => Series(run, curve)).Where(series => series.Count > 0).ToList();
        var steps = seeds.SelectMany(series => series.Keys).Distinct().Order().ToArray();
        double[] x = new double[steps.Length], y = new double[steps.Length], band = new double[steps.Length];
        for (var i = 0; i < steps.Length; i++)
        {
            var there = seeds.Where(series => series.ContainsKey(steps[i])).Select(series => series[steps[i]]).ToArray();
            x[i] = there.Average(point => point.X);
            var finite = there.Select(point => point.Y).Where(double.IsFinite).ToArray();
            (y[i], var error) = finite.Length == 0 ? (double.NaN, null) : SweepCell.MeanAndError(finite);
            band[i] = error ?? 0;
        }

        return new Curve(name, x, y) { Band = seeds.Count > 1 ? band : null };
    }

    /// <summary>Step → place on the horizontal axis and smoothed value.</summary>
    private static Dictionary<int, (double X, double Y)> Series(SweepRunResult run, SweepCurve curve)
    {
        var stage = curve.Stage ?? run.Rows.LastOrDefault(row => row.Values.ContainsKey(curve.Metric))?.Stage;
        var rows = run.Rows.Where(row => row.Stage == stage && row.Values.ContainsKey(curve.Metric)).ToArray();
        // What is measured on held-out rows has a row by itself behind the step's.
        var places = curve.X == "step" ? [] : run.Rows.Where(row => row.Stage == stage && row.Values.ContainsKey(curve.X)).GroupBy(row => row.Step).ToDictionary(group => group.Key, group => group.First().Values[curve.X]);
        double[] x = [.. rows.Select(row => curve.X == "step" ? row.Step : places.GetValueOrDefault(row.Step, double.NaN))], y = [.. rows.Select(row => row.Values[curve.Metric])];
        if (y.Length >= MinPointsToSmooth)
            y = new Curve("", x, y).Smoothed(Math.Max(1.5, Smoothing * y.Length));
        var points = new Dictionary<int, (double X, double Y)>();
        for (var i = 0; i < rows.Length; i++)
        {
            if (double.IsFinite(x[i]))
                points[rows[i].Step] = (x[i], y[i]);
        }

        return points;
    }
}
