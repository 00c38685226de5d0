using System.Globalization;
using LlmRL.Data;

namespace LlmRL.Tests.Data;

public sealed class TldrTests
{
    private const string Post =
        "SUBREDDIT: r/advice\nTITLE: am i overreacting\nPOST: my sister anna sold my bike last week. at least i still have my phone. "
        + "this makes me really sad. when i asked about it, she just laughed. should i forgive her?\nTL;DR:";

    [Theory]
    [InlineData(" anna sold my bike. she laughed. i am sad. should i forgive her?", 7.5)] // 3 + 1.5 + 1 + 2, 18 tokens
    [InlineData(" anna sold my bike.", 3)]
    [InlineData(" anna sold my bike. anna sold my bike.", 2)] // a repetition costs 1
    [InlineData(" anna sold my phone.", -0.5)] // one slot of three is wrong
    [InlineData(" it cost fifty dollars.", -1.5)] // the post tells no cost
    [InlineData(" anna sold my bike", 2.25)] // no full stop: a stray token and unfinished
    [InlineData(" long story short, anna sold my bike.", 2.75)]
    [InlineData(" bike bike bike.", -1)] // four stray tokens
    [InlineData("", -0.5)]
    [InlineData(" anna sold my bike. he laughed.", 2.25)] // 3 − 1.5 / 2
    [InlineData(" anna sold my bike. i am sad. i am sad. i am sad. i am sad. i am sad.", -0.75)] // 3 + 1 − 4 repetitions − 0.15 · 5: 25 tokens
    public void Utility_follows_its_formula(string summary, double expected)
    {
        Assert.Equal(expected, TldrJudge.Utility(Post, summary), 12);
    }

    [Fact]
    public void Posts_say_their_facts_and_the_judge_reads_them()
    {
        var source = new TldrGenerator(DataSplit.Rl, 800);
        var lengths = new List<int>();
        for (var i = 0; i < source.Count; i++)
        {
            var example = source[i];
            Assert.Equal(example.Difficulty, TldrPost.Parse(example.Prompt).Count);
            Assert.True(TldrJudge.Utility(example.Prompt, TldrJudge.Best(example.Prompt)) >= 5, example.Prompt);
            Assert.Equal(DataSplit.Rl, TldrGenerator.SplitOf(example.Prompt));
            lengths.Add(TldrTemplate.Words(example.Prompt).Count);
        }

        lengths.Sort();
        Assert.InRange(lengths[lengths.Count / 20], 40, 70);
        Assert.InRange(lengths[lengths.Count * 19 / 20], 70, 100);
    }

    [Fact]
    public void Every_word_is_in_the_vocabulary()
    {
        var vocabulary = TldrGenerator.Vocabulary.Select(word => word.ToLowerInvariant()).ToHashSet();
        Assert.InRange(vocabulary.Count, 100, 600);
        var source = new TldrGenerator(DataSplit.Reward, 1000);
        for (var i = 0; i < source.Count; i++)
        {
            var example = source[i];
            foreach (var word in TldrTemplate.Words(example.Prompt + example.Completion + example.Chosen + example.Rejected))
                Assert.Contains(word, vocabulary);
        }
    }

    [Fact]
    public void The_best_summary_beats_most_references()
    {
        var source = new TldrGenerator(DataSplit.Test, 1000);
        var wins = 0.0;
        for (var i = 0; i < source.Count; i++)
        {
            var example = source[i];
            var difference = TldrJudge.Utility(example.Prompt, TldrJudge.Best(example.Prompt)) - TldrJudge.Utility(example.Prompt, example.Completion!);
            Assert.True(difference >= 0, example.Prompt);
            wins += difference > 1e-9 ? 1 : 0.5;
        }

        Assert.InRange(wins / source.Count, 0.85, 1);
    }

    [Fact]
    public void Degenerate_texts_are_worse_than_the_references()
    {
        var source = new TldrGenerator(DataSplit.Test, 500);
        var reference = Enumerable.Range(0, 500).Average(i => TldrJudge.Utility(source[i].Prompt, source[i].Completion!));
        foreach (var text in (string[])["", " .", " i am sad.", " anna sold my bike. she laughed. should i forgive her?", " sold my sold my sold my"])
            Assert.True(Enumerable.Range(0, 500).Average(i => TldrJudge.Utility(source[i].Prompt, text)) < reference - 1.5, text);
        var copied = Enumerable.Range(0, 500).Average(
            i => TldrJudge.Utility(source[i].Prompt, source[i].Prompt[source[i].Prompt.IndexOf("POST:", StringComparison.Ordinal)..]));
        Assert.True(copied < reference - 3);
    }

    [Fact]
    public void Labels_follow_Bradley_Terry()
    {
        var source = new TldrGenerator(DataSplit.Reward, 6000, new TldrSettings { LabelNoise = 1.5 });
        double agree = 0, expected = 0;
        for (var i = 0; i < source.Count; i++)
        {
            var example = source[i];
            var margin = double.Parse(example.Fields["gold_margin"], CultureInfo.InvariantCulture);
            var difference = TldrJudge.Utility(example.Prompt, example.Chosen!) - TldrJudge.Utility(example.Prompt, example.Rejected!);
            Assert.Equal(difference, margin, 9);
            agree += margin > 0 ? 1 : margin < 0 ? 0 : 0.5;
            expected += 1 / (1 + Math.Exp(-Math.Abs(margin) / 1.5));
        }

        // Four standard errors of 6,000 Bernoulli draws.
        Assert.InRange(agree / source.Count, (expected / source.Count) - 0.026, (expected / source.Count) + 0.026);
        Assert.Equal(expected / source.Count, source.BayesAccuracy(6000), 9);
    }

    [Fact]
    public void Labels_without_noise_follow_the_utility()
    {
        var source = new TldrGenerator(DataSplit.Reward, 500, new TldrSettings { LabelNoise = 0 });
        Assert.All(Enumerable.Range(0, 500), i => Assert.True(double.Parse(source[i].Fields["gold_margin"], CultureInfo.InvariantCulture) >= 0));
    }

    [Fact]
    public void Splits_are_disjoint_and_rows_do_not_depend_on_the_count()
    {
        var owner = new Dictionary<string, DataSplit>();
        foreach (var split in Enum.GetValues<DataSplit>())
        {
            var source = new TldrGenerator(split, 2500);
            var prompts = Enumerable.Range(0, 2500).Select(i => source[i].Prompt).ToList();
            foreach (var prompt in prompts)
                Assert.True(owner.TryAdd(prompt, split) || owner[prompt] == split, prompt);
            if (split == DataSplit.Test)
                Assert.Equal(2500, prompts.Distinct().Count());
            var few = new TldrGenerator(split, 50);
            Assert.Equal(prompts[..50], Enumerable.Range(0, 50).Select(i => few[i].Prompt));
        }
    }

    [Fact]
    public void The_judge_reads_any_text()
    {
        foreach (var (prompt, summary) in new[] { ("", ""), ("POST:", "?"), (Post, "\n\n\n"), ("\nPOST: x", "\ud800 {name} {"), (Post, new string('{', 1000)) })
            Assert.True(double.IsFinite(TldrJudge.Utility(prompt, summary)));
    }

    [Fact]
    public void Writers_who_make_no_mistakes_write_better_references()
    {
        double Mean(double rate)
        {
            var data = new TldrGenerator(DataSplit.Sft, 500, new TldrSettings { MistakeRate = rate });
            return Enumerable.Range(0, data.Count).Average(i => TldrJudge.Utility(data[i].Prompt, data[i].Completion!));
        }

        Assert.True(Mean(0) > Mean(0.3) + 0.2);
        Assert.True(Mean(0.3) > Mean(1) + 0.2);
    }
}
