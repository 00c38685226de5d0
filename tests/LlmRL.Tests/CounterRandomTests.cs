namespace LlmRL.Tests;

public class CounterRandomTests
{
    /// <summary>The known answers that Random123 (Salmon et al. 2011) publishes for philox4x32-10.</summary>
    [Theory]
    [InlineData(0u, 0u, 0u, 0u, 0u, 0u, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)]
    [InlineData(uint.MaxValue, uint.MaxValue, uint.MaxValue, uint.MaxValue, uint.MaxValue, uint.MaxValue, 0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu)]
    [InlineData(0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0xa4093822u, 0x299f31d0u, 0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u)]
    public void Blocks_are_philoxs(uint c0, uint c1, uint c2, uint c3, uint k0, uint k1, uint x0, uint x1, uint x2, uint x3) =>
        Assert.Equal((x0, x1, x2, x3), CounterRandom.Block((ulong)k1 << 32 | k0, (ulong)c1 << 32 | c0, (ulong)c3 << 32 | c2));

    [Theory]
    [InlineData(0UL, 37)]
    // Where the counter's lower word runs over.
    [InlineData(0xFFFF_FFFAUL, 16)]
    public void Many_numbers_are_the_numbers_one_by_one(ulong counter, int count)
    {
        var key = CounterRandom.Key(3, 5);
        var values = new double[count];
        CounterRandom.Uniforms(key, counter, values);
        Assert.Equal([.. Enumerable.Range(0, count).Select(i => CounterRandom.Uniform(key, counter + (ulong)i, 0))], values);
    }
}
