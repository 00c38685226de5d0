using LlmRL.Alarms;

namespace LlmRL.Tests.Alarms;

public class MetricWindowTests
{
    private static MetricWindow Of(int size, params double[] values)
    {
        var window = new MetricWindow(size);
        foreach (var value in values)
            window.Add(value);
        return window;
    }

    [Fact]
    public void The_means_are_those_of_the_first_and_the_last_values()
    {
        var window = Of(3, 1, 2, 6, 10, 20);
        Assert.Equal((3.0, 12.0), (window.Start, window.Mean));
        Assert.False(Of(3, 1, 2).IsFull);
        Assert.True(Of(3, 1, 2, 3).IsFull);
    }

    [Fact]
    public void Values_that_are_not_finite_are_left_out()
    {
        var window = Of(2, 1, double.NaN, 3, double.PositiveInfinity);
        Assert.Equal((2L, 2.0), (window.Count, window.Mean));
        Assert.True(double.IsFinite(window.Noise));
    }

    [Fact]
    public void The_noise_is_that_of_single_values_whatever_the_trend()
    {
        // Differences 2, −2, 2: Σ = 12, over 2·3.
        Assert.Equal(Math.Sqrt(2), Of(2, 0, 2, 0, 2).Noise, 1e-12);
        var random = new RandomStream(5);
        var flat = Of(10, [.. Enumerable.Range(0, 20_000).Select(_ => 0.7 * random.NextNormal())]);
        var rising = Of(10, [.. Enumerable.Range(0, 20_000).Select(i => 0.01 * i + 0.7 * random.NextNormal())]);
        Assert.Equal(0.7, flat.Noise, 0.02);
        Assert.Equal(0.7, rising.Noise, 0.02);
        Assert.Equal(0.7 * Math.Sqrt(0.2), flat.ErrorOfDifference, 0.02);
    }
}
