namespace LlmRL.Evaluation;

/// <summary>
/// What the win rate would be if the policy's completions were as long as their opponents': points y of each comparison are regressed on the difference of
/// lengths, P(win) = σ(θ + φ·tanh(Δ/s)) with s the standard deviation of Δ, and the model is read at Δ = 0: σ(θ). The length term of Dubois et al. 2024,
/// arXiv 2404.04475, equation 2, without the terms for instructions and for a second model.
/// </summary>
public static class LengthControlledWinRate
{
    // A flat prior of this weight keeps θ finite where one side always wins.
    private const double Ridge = 1e-3;

    /// <summary>σ(θ) with its standard error by the delta method; comparisons of one prompt count as one cluster.</summary>
    /// <param name="points">1 for a win, ½ for a tie, 0 for a loss; one list per prompt.</param>
    /// <param name="differences">Δ = length of the policy's − length of the opponent's, in tokens; as <paramref name="points"/>.</param>
    public static Estimate Of(IReadOnlyList<double[]> points, IReadOnlyList<double[]> differences)
    {
        var spread = new RunningStatistics();
        foreach (var difference in differences.SelectMany(row => row))
            spread.Add(difference);
        var scale = spread.StandardDeviation > 0 ? spread.StandardDeviation : 1;
        var features = differences.Select(row => Array.ConvertAll(row, difference => Math.Tanh(difference / scale))).ToArray();
        var (theta, phi) = (0.0, 0.0);
        for (var round = 0; round < 50; round++)
        {
            var (gradient, hessian, _) = Sums(points, features, theta, phi);
            var step = Solve(hessian, gradient);
            (theta, phi) = (theta + step.A, phi + step.B);
            if (Math.Abs(step.A) + Math.Abs(step.B) < 1e-12)
                break;
        }

        // Sandwich H⁻¹ M H⁻¹; only its first diagonal element is wanted: rᵀ M r with r the first row of H⁻¹.
        var (_, curvature, meat) = Sums(points, features, theta, phi);
        var row = Solve(curvature, (1, 0));
        var variance = row.A * row.A * meat.AA + 2 * row.A * row.B * meat.AB + row.B * row.B * meat.BB;
        var rate = Sigmoid(theta);
        return new Estimate(rate, rate * (1 - rate) * Math.Sqrt(variance), points.Count);
    }

    private static ((double A, double B) Gradient, (double AA, double AB, double BB) Hessian, (double AA, double AB, double BB) Meat) Sums(
        IReadOnlyList<double[]> points, double[][] features, double theta, double phi)
    {
        var (gradient, hessian, meat) = ((A: -Ridge * theta, B: -Ridge * phi), (AA: Ridge, AB: 0.0, BB: Ridge), (AA: 0.0, AB: 0.0, BB: 0.0));
        for (var p = 0; p < points.Count; p++)
        {
            var (a, b) = (0.0, 0.0);
            for (var i = 0; i < points[p].Length; i++)
            {
                var (x, rate) = (features[p][i], Sigmoid(theta + phi * features[p][i]));
                var (error, weight) = (points[p][i] - rate, rate * (1 - rate));
                (a, b) = (a + error, b + error * x);
                hessian = (hessian.AA + weight, hessian.AB + weight * x, hessian.BB + weight * x * x);
            }

            gradient = (gradient.A + a, gradient.B + b);
            meat = (meat.AA + a * a, meat.AB + a * b, meat.BB + b * b);
        }

        return (gradient, hessian, meat);
    }

    private static (double A, double B) Solve((double AA, double AB, double BB) matrix, (double A, double B) right)
    {
        var determinant = matrix.AA * matrix.BB - matrix.AB * matrix.AB;
        return ((matrix.BB * right.A - matrix.AB * right.B) / determinant, (matrix.AA * right.B - matrix.AB * right.A) / determinant);
    }

    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));
}
