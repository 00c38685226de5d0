using LlmRL.Rollouts;

namespace LlmRL.Tests.Rollouts;

public sealed class SamplerTests
{
    private const int Vocabulary = 301; // neither a multiple of a vector nor of a block of sums

    [Theory]
    [InlineData(1.0)]
    [InlineData(0.5)]
    [InlineData(2.5)]
    public void FrequenciesFollowTheSoftmax(double temperature)
    {
        const int Draws = 60_000;
        var logits = Logits(1);
        var probabilities = ReferenceTransformer.LogSoftmax([.. logits.Select(v => (double)v)], temperature).Select(Math.Exp).ToArray();
        var counts = Counts(logits, new SamplingOptions { Temperature = temperature }, Draws);

        // Pearson's statistic over tokens expected at least 5 times, the others pooled; mean df, deviation √(2 df).
        double statistic = 0, pooled = 0, pooledCount = 0;
        var cells = 0;
        for (var v = 0; v < Vocabulary; v++)
        {
            var expected = probabilities[v] * Draws;
            if (expected < 5)
                (pooled, pooledCount) = (pooled + expected, pooledCount + counts[v]);
            else
                (statistic, cells) = (statistic + (counts[v] - expected) * (counts[v] - expected) / expected, cells + 1);
        }

        if (pooled >= 5)
            (statistic, cells) = (statistic + (pooledCount - pooled) * (pooledCount - pooled) / pooled, cells + 1);
        Assert.True(cells > 20);
        Assert.InRange(statistic, cells - 1 - 4 * Math.Sqrt(2 * cells), cells - 1 + 4 * Math.Sqrt(2 * cells));
    }

    public static TheoryData<SamplingOptions> Truncations => new()
    {
        new SamplingOptions { TopK = 7 },
        new SamplingOptions { TopK = 1 },
        new SamplingOptions { TopK = 1000 },
        new SamplingOptions { TopP = 0.8 },
        new SamplingOptions { TopP = 1e-9 },
        new SamplingOptions { TopP = 0.999 },
        new SamplingOptions { MinP = 0.2 },
        new SamplingOptions { TopK = 12, TopP = 0.6 },
        new SamplingOptions { TopK = 20, MinP = 0.1, Temperature = 1.5 },
        new SamplingOptions { TopP = 0.9, MinP = 0.05, Temperature = 0.8 },
    };

    [Theory]
    [MemberData(nameof(Truncations))]
    public void TruncationKeepsExactlyTheNamedSetAtItsRenormalisedFrequencies(SamplingOptions options)
    {
        const int Draws = 20_000;
        var logits = Logits(2);
        var probabilities = ReferenceTransformer.LogSoftmax([.. logits.Select(v => (double)v)], options.Temperature).Select(Math.Exp).ToArray();
        var kept = Kept(probabilities, options);
        var mass = kept.Sum(v => probabilities[v]);
        var counts = Counts(logits, options, Draws);
        for (var v = 0; v < Vocabulary; v++)
        {
            var expected = kept.Contains(v) ? probabilities[v] / mass * Draws : 0;
            if (expected == 0)
                Assert.Equal(0, counts[v]);
            else
                Assert.InRange(counts[v], expected - 5 * Math.Sqrt(expected) - 1, expected + 5 * Math.Sqrt(expected) + 1);
        }
    }

    [Fact]
    public void TheLogProbIsThePoliciesOwnWhateverTheTruncation()
    {
        var logits = Logits(3);
        foreach (var options in new[]
        {
            new SamplingOptions { Temperature = 0.9, TopP = 0.7 },
            new SamplingOptions { Temperature = 0.9, TopK = 5, RepetitionPenalty = 1.8, MinNewTokens = 4, StopIds = [9, 17] },
            new SamplingOptions { Temperature = 0.9 },
            new SamplingOptions { Temperature = 0 },
        })
        {
            var expected = ReferenceTransformer.LogSoftmax([.. logits.Select(v => (double)v)], options.Temperature == 0 ? 1 : options.Temperature);
            var sampler = new Sampler(options, Vocabulary);
            for (ulong key = 0; key < 50; key++)
            {
                Assert.True(sampler.Draw(logits, key, [1, 2], [3], out var token, out var logProb));
                Assert.Equal(expected[token], logProb, 2e-6);
            }
        }
    }

    [Fact]
    public void GreedyTakesTheLargestAndTheLowerIdOfEquals()
    {
        var logits = new float[Vocabulary];
        logits[40] = logits[200] = 2;
        var sampler = new Sampler(new SamplingOptions { Temperature = 0 }, Vocabulary);
        Assert.True(sampler.Draw(logits, 1, [], [], out var token, out _));
        Assert.Equal(40, token);
    }

    [Fact]
    public void RepetitionPenaltyActsOncePerTokenAndByTheSignOfItsLogit()
    {
        float[] logits = [2, 1.5f, -1, -1.5f];
        int Greedy(double penalty, int[] prompt, int[] generated)
        {
            var sampler = new Sampler(new SamplingOptions { Temperature = 0, RepetitionPenalty = penalty }, 4);
            Assert.True(sampler.Draw(logits, 1, prompt, generated, out var token, out _));
            return token;
        }

        Assert.Equal(0, Greedy(1.3, [0, 0, 0], [0])); // 2/1.3 = 1.54 still leads; penalised twice, 1.18 would not
        Assert.Equal(1, Greedy(1.4, [0], []));
        Assert.Equal(1, Greedy(1.4, [], [0]));
        logits = [-2, -1.5f, -1, -1.4f];
        Assert.Equal(3, Greedy(1.5, [2], []));
    }

    [Fact]
    public void StopIdsAreMaskedBeforeTheMinimumLength()
    {
        float[] logits = [9, 1, 0, 8];
        var sampler = new Sampler(new SamplingOptions { Temperature = 1, MinNewTokens = 2, StopIds = [0, 3] }, 4);
        for (ulong key = 0; key < 200; key++)
        {
            Assert.True(sampler.Draw(logits, key, [0], [1], out var token, out _));
            Assert.True(token is 1 or 2);
        }

        Assert.True(sampler.Draw(logits, 5, [0], [1, 2], out var free, out _));
        Assert.True(free is 0 or 3);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void LogitsThatAreNotFiniteAreRefused(float value)
    {
        foreach (var place in new[] { 0, 100, 299, 300 })
        {
            var logits = Logits(4);
            logits[place] = value;
            Assert.False(new Sampler(new SamplingOptions(), Vocabulary).Draw(logits, 1, [], [], out _, out _));
        }
    }

    [Fact]
    public void LargeLogitsNeitherOverflowNorLosePrecision()
    {
        float[] logits = [60_000, 59_999, -60_000];
        var sampler = new Sampler(new SamplingOptions(), 3);
        Assert.True(sampler.Draw(logits, 12, [], [], out var token, out var logProb));
        Assert.Equal(token == 0 ? -Math.Log(1 + Math.Exp(-1)) : -1 - Math.Log(1 + Math.Exp(-1)), logProb, 1e-6);
    }

    private static float[] Logits(ulong key)
    {
        var random = new RandomStream(CounterRandom.Key(key));
        return [.. Enumerable.Range(0, Vocabulary).Select(_ => (float)(2 * random.NextNormal()))];
    }

    private static int[] Counts(float[] logits, SamplingOptions options, int draws)
    {
        var sampler = new Sampler(options, Vocabulary);
        var counts = new int[Vocabulary];
        for (var i = 0; i < draws; i++)
        {
            Assert.True(sampler.Draw(logits, CounterRandom.Key(5, (ulong)i), [], [], out var token, out _));
            counts[token]++;
        }

        return counts;
    }

    private static HashSet<int> Kept(double[] probabilities, SamplingOptions options)
    {
        var sorted = Enumerable.Range(0, Vocabulary).OrderByDescending(v => probabilities[v]).ToList();
        if (options.TopK > 0)
            sorted = [.. sorted.Take(options.TopK)];
        var total = sorted.Sum(v => probabilities[v]);
        var kept = new HashSet<int>();
        var sum = 0.0;
        foreach (var v in sorted)
        {
            if (kept.Count > 0 && sum >= options.TopP * total)
                break;
            sum += probabilities[v];
            if (probabilities[v] >= options.MinP * probabilities[sorted[0]])
                kept.Add(v);
        }

        return kept;
    }
}
