namespace LlmRL.Runs.Plotting;

/// <summary>A named sequence of points.</summary>
/// <param name="Name">Shown in the legend.</param>
/// <param name="X">Abscissae, ascending for a line.</param>
/// <param name="Y">Ordinates; those that are not finite are gaps.</param>
public sealed record Curve(string Name, IReadOnlyList<double> X, IReadOnlyList<double> Y)
{
    /// <summary>
    /// With at most <paramref name="limit"/> points: the means of equal spans, over their finite values. A plot a few hundred pixels wide shows no more.
    /// </summary>
    public Curve Thinned(int limit)
    {
        if (X.Count <= limit) return this;
        double[] x = new double[limit], y = new double[limit];
        for (var i = 0; i < limit; i++)
        {
            int from = (int)((long)i * X.Count / limit), to = (int)((long)(i + 1) * X.Count / limit);
            x[i] = Mean(X, from, to);
            y[i] = Mean(Y, from, to);
        }

        return new Curve(Name, x, y);
    }

    /// <summary>
    /// The trend: at each point the mean of its neighbours, weighted by a normal density of the given width in points. It looks both ways, so it does
    /// not lag as an exponential average does. Gaps stay gaps.
    /// </summary>
    public double[] Smoothed(double width)
    {
        var reach = (int)Math.Ceiling(3 * width);
        var smooth = new double[Y.Count];
        for (var i = 0; i < smooth.Length; i++)
        {
            smooth[i] = double.NaN;
            if (!double.IsFinite(Y[i])) continue;
            double sum = 0, weight = 0;
            // A window cut at one side only would bend the ends of a slope, so it shrinks at both sides there.
            var span = Math.Min(reach, Math.Max(1, Math.Min(i, smooth.Length - 1 - i)));
            for (var j = Math.Max(0, i - span); j <= Math.Min(smooth.Length - 1, i + span); j++)
            {
                if (!double.IsFinite(Y[j])) continue;
                var w = Math.Exp(-0.5 * (i - j) * (i - j) / (width * width));
                sum += w * Y[j];
                weight += w;
            }

            smooth[i] = sum / weight;
        }

        return smooth;
    }

    private static double Mean(IReadOnlyList<double> values, int from, int to)
    {
        double sum = 0;
        var count = 0;
        for (var i = from; i < to; i++)
        {
            if (!double.IsFinite(values[i])) continue;
            sum += values[i];
            count++;
        }

        return count > 0 ? sum / count : double.NaN;
    }
}
