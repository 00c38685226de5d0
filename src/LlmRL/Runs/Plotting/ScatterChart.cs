using System.Text;

namespace LlmRL.Runs.Plotting;

/// <summary>Points in a plane, a colour for each curve.</summary>
public sealed class ScatterChart : Chart
{
    /// <summary>What is drawn; <see cref="Curve.X"/> need not ascend.</summary>
    public required IReadOnlyList<Curve> Curves { get; init; }

    /// <inheritdoc/>
    protected override IReadOnlyList<(string Name, int Colour)> Legend => [.. Curves.Select((curve, i) => (curve.Name, i))];

    /// <inheritdoc/>
    protected override (Scale X, Scale Y) Scales() => (Axis(curve => curve.X, 6), Axis(curve => curve.Y, 4));

    /// <inheritdoc/>
    protected override void Draw(StringBuilder svg, Scale x, Scale y)
    {
        for (var i = 0; i < Curves.Count; i++)
        {
            var curve = Curves[i];
            for (var j = 0; j < curve.X.Count; j++)
            {
                if (!double.IsFinite(curve.X[j]) || !double.IsFinite(curve.Y[j])) continue;
                svg.Append("<circle class=\"point f").Append(i % Colours).Append("\" r=\"3.5\" cx=\"").Append(N(PixelX(x, curve.X[j])))
                    .Append("\" cy=\"").Append(N(PixelY(y, curve.Y[j]))).Append("\"><title>")
                    .Append(Html.Escape($"{curve.Name}: {Shown.Number(curve.X[j])}, {Shown.Number(curve.Y[j])}")).Append("</title></circle>");
            }
        }
    }

    /// <inheritdoc/>
    protected override string Describe() => string.Join(" ", Curves.Select(curve => $"{curve.Name}: {curve.X.Count} points."));

    private Scale Axis(Func<Curve, IReadOnlyList<double>> values, int count)
    {
        var finite = Curves.SelectMany(values).Where(double.IsFinite).DefaultIfEmpty(0).ToArray();
        return Scale.Nice(finite.Min(), finite.Max(), count);
    }
}
