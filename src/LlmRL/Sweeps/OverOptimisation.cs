using System.ComponentModel.DataAnnotations;
using LlmRL.Algorithms;
using LlmRL.Evaluation;
using LlmRL.Recipes;
using LlmRL.Runs;
using LlmRL.Runs.Plotting;

namespace LlmRL.Sweeps;

/// <summary>
/// What a sweep shows of over-optimisation: the reward that was trained on (proxy) and the one that was meant (gold) against √KL. A run logs both where its reward is
/// <c>weighted</c> and the gold term has weight 0; best-of-n is taken from <c>evaluate</c> stages with <c>best_of_n</c>.
/// </summary>
public sealed record OverOptimisation
{
    /// <summary>The proxy's name in <c>rewards/NAME/mean</c>: of a reward model, its stage.</summary>
    public required string Proxy { get; init; }

    /// <summary>The gold reward's name in <c>rewards/NAME/mean</c>.</summary>
    public string Gold { get; init; } = "gold";

    /// <summary>The logged KL to the SFT policy, in nats a completion.</summary>
    public string Kl { get; init; } = "objective/kl";

    /// <summary>A run's steps are averaged in so many spans, each a point of the fit: √ of a noisy KL would be biased.</summary>
    [Range(4, 10_000)]
    public int Points { get; init; } = 40;
}

/// <summary>A policy at some distance from the SFT policy.</summary>
/// <param name="Seed">The run's seed.</param>
/// <param name="At">The step; of best-of-n, n.</param>
/// <param name="Distance">d = √KL, KL in nats.</param>
/// <param name="Proxy">Mean proxy reward less that of the SFT policy.</param>
/// <param name="Gold">Mean gold reward less that of the SFT policy.</param>
internal sealed record OptimisationPoint(ulong Seed, double At, double Distance, double Proxy, double Gold);

/// <summary>Best-of-n, or the runs of one variant.</summary>
/// <param name="Name">The variant, or <c>best-of-n</c>.</param>
/// <param name="Method">Which law its rewards follow.</param>
/// <param name="Points">All seeds' points, seed by seed, in the order of <see cref="OptimisationPoint.At"/>.</param>
internal sealed record OptimisationCurve(string Name, OptimisationMethod Method, IReadOnlyList<OptimisationPoint> Points)
{
    /// <summary>The fit through all points; null where they determine none.</summary>
    public OverOptimisationFit? Fit(Func<OptimisationPoint, double> reward) => Fit(Points, reward);

    /// <summary>α and β with the standard errors of their means over the seeds' own fits; null for fewer than two seeds.</summary>
    public (double? Alpha, double? Beta) Errors(Func<OptimisationPoint, double> reward)
    {
        OverOptimisationFit[] fits = [.. Points.GroupBy(point => point.Seed).Select(seed => Fit([.. seed], reward)).OfType<OverOptimisationFit>()];
        return (SweepCell.MeanAndError([.. fits.Select(fit => fit.Alpha)]).Error, SweepCell.MeanAndError([.. fits.Select(fit => fit.Beta)]).Error);
    }

    /// <summary>The points averaged over seeds, in order.</summary>
    public IReadOnlyList<OptimisationPoint> Mean => [.. Points.GroupBy(point => point.Seed).SelectMany(seed => seed.Index()).GroupBy(point => point.Index, point => point.Item)
        .Select(same => new OptimisationPoint(0, same.Average(p => p.At), same.Average(p => p.Distance), same.Average(p => p.Proxy), same.Average(p => p.Gold)))];

    /// <summary>Where training should have ended: the first step (or n) at which the distance has reached the maximum of the fitted gold reward; null where there is none in the data.</summary>
    public double? StopAt => Fit(point => point.Gold) is { TurnsWithin: true, Peak: { } peak } ? Mean.FirstOrDefault(point => point.Distance >= peak)?.At : null;

    /// <summary>The mean of the last tenth of the points.</summary>
    public OptimisationPoint? End => Mean is { Count: > 0 } mean && mean.TakeLast(Math.Max(1, Method == OptimisationMethod.BestOfN ? 1 : mean.Count / 10)).ToArray() is var last
        ? new OptimisationPoint(0, last[^1].At, last.Average(p => p.Distance), last.Average(p => p.Proxy), last.Average(p => p.Gold)) : null;

    private OverOptimisationFit? Fit(IReadOnlyList<OptimisationPoint> points, Func<OptimisationPoint, double> reward) =>
        OverOptimisationFit.Of(Method, [.. points.Select(point => point.Distance)], [.. points.Select(reward)], 0);
}

/// <summary>What was optimised against one proxy: its name, empty where there is only one, and the curves.</summary>
internal sealed record OptimisationGroup(string Name, IReadOnlyList<OptimisationCurve> Curves)
{
    private const string BestOf = "-best-of-";

    /// <summary>The groups of a sweep: variants whose proxy was trained alike are in one. None where the sweep does not ask for them.</summary>
    public static IReadOnlyList<OptimisationGroup> Of(SweepResults results)
    {
        if (results.Plan.Sweep.Sweep.OverOptimisation is not { } wanted)
            return [];
        var variants = results.Plan.Variants.Select(variant => (Name: variant, Runs: results.Of(variant).Where(run => run.IsFinished).ToArray())).Where(variant => variant.Runs.Length > 0);
        var groups = variants.GroupBy(variant => Proxy(variant.Runs[0].Run.Recipe, wanted.Proxy)).Select(group => group.ToArray()).ToArray();
        return [.. groups.Select(group => Of(groups.Length == 1 ? "" : Shared([.. group.Select(variant => variant.Name)]), group, wanted)).Where(group => group.Curves.Count > 0)];
    }

    private static OptimisationGroup Of(string name, (string Name, SweepRunResult[] Runs)[] variants, OverOptimisation wanted)
    {
        var bestOfN = variants.SelectMany(variant => variant.Runs).GroupBy(run => run.Run.Seed)
            .Select(runs => runs.Select(BestOfN).FirstOrDefault(points => points.Points.Count > 0)).Where(points => points.Points is not null).ToArray();
        var origins = bestOfN.ToDictionary(points => points.Points[0].Seed, points => points.Origin);
        var curves = new List<OptimisationCurve> { new("best-of-n", OptimisationMethod.BestOfN, [.. bestOfN.SelectMany(points => points.Points)]) };
        curves.AddRange(variants.Select(variant => new OptimisationCurve(variant.Name, OptimisationMethod.Rl, [.. variant.Runs.SelectMany(run => Trained(run, wanted, origins))])));
        return new OptimisationGroup(name, [.. curves.Where(curve => curve.Points.Count > 0)]);
    }

    /// <summary>What decides the proxy: the inputs of the stage that trains it.</summary>
    private static string Proxy(Recipe recipe, string name) =>
        recipe.Stages.Zip(StageLedger.InputsOf(recipe with { Seed = 0 })).FirstOrDefault(pair => pair.First.Name == name).Second ?? "";

    /// <summary>The parts that all names begin with: <c>weak</c> of <c>weak,beta=0</c> and <c>weak,beta=0.1</c>; of a single name, the name.</summary>
    private static string Shared(IReadOnlyList<string> names)
    {
        var parts = names.Select(name => name.Split(',')).ToArray();
        var shared = parts[0].TakeWhile((part, i) => parts.All(other => i < other.Length && other[i] == part)).ToArray();
        return shared.Length > 0 ? string.Join(',', shared) : string.Join("; ", names);
    }

    /// <summary>Best-of-n of a run's last evaluation that has some, and the rewards of the policy that it draws from.</summary>
    private static (IReadOnlyList<OptimisationPoint> Points, (double Proxy, double Gold) Origin) BestOfN(SweepRunResult run)
    {
        foreach (var table in (run.Summary?.Stages ?? []).Reverse().Select(EvaluationTable.Of))
        {
            if (table.Policies.FirstOrDefault(policy => policy.Contains(BestOf, StringComparison.Ordinal)) is not { } first)
                continue;
            var source = first[..first.IndexOf(BestOf, StringComparison.Ordinal)];
            double? Value(string metric, string policy) => table.Rows.FirstOrDefault(row => row.Metric == metric)?.Cells.TryGetValue(policy, out var cell) == true ? cell.Value : null;
            if ((Value("reward", source), Value("gold", source)) is not ({ } proxy, { } gold))
                continue;
            var points = from policy in table.Policies
                         where policy.StartsWith(source + BestOf, StringComparison.Ordinal)
                         let n = double.Parse(policy[(source.Length + BestOf.Length)..], System.Globalization.CultureInfo.InvariantCulture)
                         orderby n
                         select new OptimisationPoint(run.Run.Seed, n, Math.Sqrt(Value("kl", policy) ?? double.NaN), (Value("reward", policy) ?? double.NaN) - proxy, (Value("gold", policy) ?? double.NaN) - gold);
            return ([.. points], (proxy, gold));
        }

        return ([], default);
    }

    /// <summary>A run's training in spans. Without an evaluation the first span stands for the SFT policy.</summary>
    private static IEnumerable<OptimisationPoint> Trained(SweepRunResult run, OverOptimisation wanted, Dictionary<ulong, (double Proxy, double Gold)> origins)
    {
        var (proxyName, goldName) = ($"rewards/{wanted.Proxy}/mean", $"rewards/{wanted.Gold}/mean");
        bool HasAll(MetricsRow row) => row.Values.ContainsKey(proxyName) && row.Values.ContainsKey(goldName) && row.Values.ContainsKey(wanted.Kl);
        var stage = run.Rows.LastOrDefault(HasAll)?.Stage;
        var rows = run.Rows.Where(row => row.Stage == stage && HasAll(row)).ToArray();
        if (rows.Length == 0)
            yield break;
        Curve Spans(string metric) => new Curve("", [.. rows.Select(row => (double)row.Step)], [.. rows.Select(row => row.Values[metric])]).Thinned(wanted.Points);
        var (kl, proxy, gold) = (Spans(wanted.Kl), Spans(proxyName), Spans(goldName));
        var origin = origins.TryGetValue(run.Run.Seed, out var measured) ? measured : (Proxy: proxy.Y[0], Gold: gold.Y[0]);
        for (var i = 0; i < kl.X.Count; i++)
            yield return new OptimisationPoint(run.Run.Seed, kl.X[i], Math.Sqrt(Math.Max(0, kl.Y[i])), proxy.Y[i] - origin.Proxy, gold.Y[i] - origin.Gold);
    }
}
