namespace LlmRL.Runs.Plotting;

/// <summary>A named sequence of points.</summary>
/// <param name="Name">Shown in the legend.</param>
/// <param name="X">Abscissae, ascending for a line.</param>
/// <param name="Y">Ordinates; those that are not finite are gaps.</param>
public sealed record Curve(string Name, IReadOnlyList<double> X, IReadOnlyList<double> Y)
{
    /// <summary>Half the width of a band around the line at each point, a standard error, say; null for none.</summary>
    public IReadOnlyList<double>? Band { get; init; }

    /// <summary>Index of the colour, so that a name can keep its colour from chart to chart; by default its place in the chart.</summary>
    public int? Colour { get; init; }

    /// <summary>
    /// With at most <paramref name="limit"/> points: the means of equal spans, over their finite values. A plot a few hundred pixels wide shows
    /// no more.
    /// </summary>
    public Curve Thinned(int limit)
    {
        if (X.Count <= limit) return this;
        double[] x = new double[limit], y = new double[limit], band = new double[limit];
        for (var i = 0; i < limit; i++)
        {
            int from = (int)((long)i * X.Count / limit), to = (int)((long)(i + 1) * X.Count / limit);
            x[i] = Mean(X, from, to);
            y[i] = Mean(Y, from, to);
            if (Band is not null) band[i] = Mean(Band, from, to);
        }

        return this with { X = x, Y = y, Band = Band is null ? null : band };
    }

    /// <summary>
    /// The trend by local linear regression (Cleveland 1979, "Robust locally weighted regression", without the robust part): at each point the
    /// value of the straight line fitted to its neighbours with normal weights of the given width in points. Unlike a moving average it neither
    /// lags nor bends at the ends. Gaps stay gaps.
    /// </summary>
    public double[] Smoothed(double width)
    {
        var reach = (int)Math.Ceiling(3 * width);
        var smooth = new double[Y.Count];
        for (var i = 0; i < smooth.Length; i++)
        {
            smooth[i] = double.NaN;
            if (!double.IsFinite(Y[i])) continue;
            // Weighted sums over the distances d = j − i; the line's value at d = 0 is (Σd²·Σy − Σd·Σdy) / (Σ1·Σd² − (Σd)²).
            double s0 = 0, s1 = 0, s2 = 0, sy = 0, sdy = 0;
            for (var j = Math.Max(0, i - reach); j <= Math.Min(smooth.Length - 1, i + reach); j++)
            {
                if (!double.IsFinite(Y[j])) continue;
                double d = j - i, w = Math.Exp(-0.5 * d * d / (width * width));
                s0 += w;
                s1 += w * d;
                s2 += w * d * d;
                sy += w * Y[j];
                sdy += w * d * Y[j];
            }

            var determinant = s0 * s2 - s1 * s1;
            smooth[i] = determinant > 1e-9 ? (s2 * sy - s1 * sdy) / determinant : sy / s0;
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
