namespace LlmRL.Evaluation;

/// <summary>How far the policy was optimised: the two have laws of their own (Gao et al. 2022, arXiv 2210.10760, section 3).</summary>
public enum OptimisationMethod
{
    /// <summary>Best of n: R(d) = d·(α − β·d).</summary>
    BestOfN,

    /// <summary>Reinforcement learning: R(d) = d·(α − β·ln d).</summary>
    Rl,
}

/// <summary>
/// A reward as a function of d = √KL(π‖π_SFT), fitted by least squares: R(d) = R₀ + d·(α − β·d) for best-of-n, R(d) = R₀ + d·(α − β·ln d) for RL. Both are linear in
/// (α, β). Gao et al. 2022, arXiv 2210.10760, section 3.1. The KL is in nats, the reward in its own unit.
/// </summary>
/// <param name="Method">Which law.</param>
/// <param name="Origin">R₀: the reward of the SFT policy, where d = 0. It is given, not fitted.</param>
/// <param name="Alpha">α: reward gained per unit of d at the start.</param>
/// <param name="Beta">β: how fast the gain is lost.</param>
/// <param name="RSquared">1 − Σ(R − R̂)²/Σ(R − R̄)²; NaN where all rewards are equal. Below 0 the mean would do better: R₀ is not fitted.</param>
/// <param name="Farthest">The largest d among the points.</param>
/// <param name="Count">How many points the fit rests on.</param>
public sealed record OverOptimisationFit(OptimisationMethod Method, double Origin, double Alpha, double Beta, double RSquared, double Farthest, int Count)
{
    /// <summary>Columns whose cosine is nearer to 1 than this cannot be told apart.</summary>
    private const double Collinear = 1e-10;

    /// <summary>Fits the law of a method. Points that are not finite are left out; null where the others do not determine α and β.</summary>
    /// <param name="method">Which law.</param>
    /// <param name="distances">d ≥ 0, per point (P).</param>
    /// <param name="rewards">R, per point (P).</param>
    /// <param name="origin">R₀.</param>
    public static OverOptimisationFit? Of(OptimisationMethod method, IReadOnlyList<double> distances, IReadOnlyList<double> rewards, double origin)
    {
        if (distances.Count != rewards.Count)
            throw new ArgumentException($"{distances.Count} distances but {rewards.Count} rewards", nameof(rewards));
        (double D, double R)[] points = [.. distances.Zip(rewards).Where(point => double.IsFinite(point.First) && double.IsFinite(point.Second))];
        // Normal equations of R − R₀ = α·d + β·b(d).
        double dd = 0, bb = 0, db = 0, dr = 0, br = 0;
        foreach (var (d, r) in points)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(d, nameof(distances));
            var (b, gain) = (Loss(method, d), r - origin);
            dd += d * d;
            bb += b * b;
            db += d * b;
            dr += d * gain;
            br += b * gain;
        }

        var determinant = dd * bb - db * db;
        if (!(determinant > Collinear * dd * bb))
            return null;
        var fit = new OverOptimisationFit(method, origin, (bb * dr - db * br) / determinant, (dd * br - db * dr) / determinant, double.NaN, points.Max(point => point.D), points.Length);
        var mean = points.Average(point => point.R);
        var (residual, total) = (points.Sum(point => Square(point.R - fit.At(point.D))), points.Sum(point => Square(point.R - mean)));
        return fit with { RSquared = total > 0 ? 1 - residual / total : double.NaN };
    }

    /// <summary>R(d).</summary>
    public double At(double distance) => Origin + distance * Alpha + Loss(Method, distance) * Beta;

    /// <summary>
    /// The d at which R(d) is highest, where training should have ended: α/(2β) for best-of-n, e^(α/β − 1) for RL. Null where R has no maximum beyond d = 0 (β ≤ 0, or
    /// for best-of-n α ≤ 0).
    /// </summary>
    public double? Peak
    {
        get
        {
            if (Beta <= 0)
                return null;
            var peak = Method == OptimisationMethod.BestOfN ? Alpha / (2 * Beta) : Math.Exp(Alpha / Beta - 1);
            return peak > 0 && double.IsFinite(peak) ? peak : null;
        }
    }

    /// <summary>Whether the maximum lies within the data: beyond it, the reward was still rising at the last point.</summary>
    public bool TurnsWithin => Peak <= Farthest;

    /// <summary>What β multiplies: −d² or −d·ln d, 0 at d = 0.</summary>
    private static double Loss(OptimisationMethod method, double d) => method == OptimisationMethod.BestOfN ? -d * d : d > 0 ? -d * Math.Log(d) : 0;

    private static double Square(double x) => x * x;
}
