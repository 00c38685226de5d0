using LlmRL.Models.Lora;

namespace LlmRL.Tests.Models.Lora;

/// <summary>What dropout leaves out.</summary>
public unsafe class LoraDropoutTests
{
    private const int Width = 1003;

    [Theory]
    [InlineData(0.05)]
    [InlineData(0.5)]
    public void A_share_p_is_dropped_and_the_mean_is_kept(double probability)
    {
        var sequences = Enumerable.Range(0, 20).Select(i => Enumerable.Range(i, 20).ToArray()).ToArray();
        var values = Mask(1, sequences, 3, probability);
        double dropped = values.Count(value => value == 0), count = values.Length;
        var deviation = Math.Sqrt(probability * (1 - probability) / count);
        Assert.InRange(dropped / count, probability - 5 * deviation, probability + 5 * deviation);
        Assert.All(values, value => Assert.True(value == 0 || value == (float)(1 / (1 - probability))));
        // Neighbours are independent, along a row and down a column.
        foreach (var distance in new[] { 1, 2, 16, Width, 16 * Width })
        {
            var both = Enumerable.Range(0, values.Length - distance).Count(i => values[i] == 0 && values[i + distance] == 0) / (count - distance);
            var spread = Math.Sqrt(probability * probability / count);
            Assert.InRange(both, probability * probability - 6 * spread, probability * probability + 6 * spread);
        }
    }

    [Fact]
    public void A_draw_depends_on_key_sequence_and_weight_alone()
    {
        int[] first = [1, 2, 3], second = [1, 2, 4], third = [9];
        var alone = Mask(7, [second], 5, 0.3);
        Assert.Equal(alone, Mask(7, [third, first, second], 5, 0.3)[(4 * Width)..]);
        Assert.NotEqual(alone, Mask(7, [first], 5, 0.3));
        Assert.NotEqual(alone, Mask(8, [second], 5, 0.3));
        Assert.NotEqual(alone, Mask(7, [second], 6, 0.3));
    }

    private static float[] Mask(ulong key, int[][] sequences, int weight, double probability)
    {
        var keys = LoraDropout.RowKeys(key, sequences);
        var values = new float[keys.Length * Width];
        Array.Fill(values, 1);
        fixed (float* pointer = values)
            LoraDropout.Apply(keys, weight, probability, pointer, pointer, Width);
        return values;
    }
}
