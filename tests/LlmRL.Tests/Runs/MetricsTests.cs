using System.Text;
using FsCheck;
using FsCheck.Fluent;
using LlmRL.Runs;

namespace LlmRL.Tests.Runs;

public class MetricsTests
{
    private static KeyValuePair<string, double> Pair(string name, double value) => new(name, value);

    [Fact]
    public void A_row_is_one_line_in_the_documented_form()
    {
        using var folder = new TemporaryFolder();
        using (var writer = new MetricsWriter(folder["m.jsonl"]))
        {
            writer.Write(7, "grpo", [Pair("reward", 0.5), Pair("kl", double.NaN), Pair("loss", double.NegativeInfinity), Pair("num_tokens", 12000)]);
            writer.Write(8, "grpo", [Pair("reward", 0.1)]);
        }

        Assert.Equal(
            """
            {"step":7,"stage":"grpo","reward":0.5,"kl":"NaN","loss":"-Infinity","num_tokens":12000}
            {"step":8,"stage":"grpo","reward":0.1}

            """.ReplaceLineEndings("\n"), File.ReadAllText(folder["m.jsonl"]));
    }

    [Fact]
    public void Every_double_comes_back_with_the_same_bits()
    {
        using var folder = new TemporaryFolder();
        var number = 0;
        Prop.ForAll(ArbMap.Default.ArbFor<double[]>(), values =>
        {
            var path = folder[$"{number++}.jsonl"];
            using (var writer = new MetricsWriter(path)) writer.Write(1, "s", values.Select((value, i) => Pair($"m{i}", value)));
            var read = MetricsReader.Read(path).Single().Values.Values.ToArray();
            return values.Select(Bits).SequenceEqual(read.Select(Bits));
        }).QuickCheckThrowOnFailure();

        // NaN has many bit patterns, of which the file keeps none.
        static long Bits(double value) => double.IsNaN(value) ? long.MinValue : BitConverter.DoubleToInt64Bits(value);
    }

    [Fact]
    public void A_line_is_in_the_file_as_soon_as_it_is_written()
    {
        using var folder = new TemporaryFolder();
        using var writer = new MetricsWriter(folder["m.jsonl"]);
        writer.Write(1, "sft", [Pair("loss", 2)]);
        Assert.Equal(2, MetricsReader.Read(folder["m.jsonl"]).Single().Values["loss"]);
    }

    [Fact]
    public void Forgetting_later_steps_and_writing_again_gives_the_bytes_of_an_uninterrupted_run()
    {
        using var folder = new TemporaryFolder();
        var (straight, broken) = (RunDirectory.Create(folder["a"]), RunDirectory.Create(folder["b"]));
        void Write(RunDirectory run, int from, int to)
        {
            using var writer = new MetricsWriter(run.MetricsPath);
            for (var step = from; step <= to; step++) writer.Write(step, "sft", [Pair("loss", 1.0 / step)]);
        }

        Write(straight, 1, 20);
        Write(broken, 1, 13);
        File.AppendAllText(broken.MetricsPath, "{\"step\":14,\"sta");
        StageLogs.ForgetAfter(broken, "sft", 10);
        Write(broken, 11, 20);
        Assert.Equal(File.ReadAllBytes(straight.MetricsPath), File.ReadAllBytes(broken.MetricsPath));
    }

    [Fact]
    public void A_torn_last_line_is_left_out_by_the_reader_and_cut_by_the_writer()
    {
        using var folder = new TemporaryFolder();
        const string whole = "{\"step\":1,\"stage\":\"sft\",\"loss\":2}\n";
        File.WriteAllText(folder["m.jsonl"], whole + "{\"step\":2,\"stage\":\"s");
        Assert.Equal(1, MetricsReader.Read(folder["m.jsonl"]).Single().Step);
        new MetricsWriter(folder["m.jsonl"]).Dispose();
        Assert.Equal(whole, File.ReadAllText(folder["m.jsonl"]));
    }

    [Fact]
    public void A_complete_last_line_without_its_end_is_kept()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["m.jsonl"], "{\"step\":1,\"stage\":\"sft\",\"loss\":2}");
        using (var writer = new MetricsWriter(folder["m.jsonl"])) writer.Write(2, "sft", [Pair("loss", 1)]);
        Assert.Equal([1, 2], MetricsReader.Read(folder["m.jsonl"]).Select(row => row.Step));
    }

    [Fact]
    public void A_fault_inside_the_file_names_file_and_line()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["m.jsonl"], "{\"step\":1,\"stage\":\"sft\"}\nnonsense\n{\"step\":3,\"stage\":\"sft\"}\n");
        var error = Assert.Throws<BadInputException>(() => MetricsReader.Read(folder["m.jsonl"]));
        Assert.Contains(folder["m.jsonl"] + " line 2", error.Message);
        File.WriteAllText(folder["n.jsonl"], "{\"step\":\"x\",\"stage\":\"sft\"}\n");
        Assert.Contains("\"step\"", Assert.Throws<BadInputException>(() => MetricsReader.Read(folder["n.jsonl"])).Message);
    }

    [Theory]
    [InlineData("loss", "loss")]
    [InlineData("loss", "step")]
    [InlineData("stage", "loss")]
    public void A_taken_name_is_refused_and_nothing_is_written(string first, string second)
    {
        using var folder = new TemporaryFolder();
        using var writer = new MetricsWriter(folder["m.jsonl"]);
        Assert.Throws<ArgumentException>(() => writer.Write(1, "sft", [Pair(first, 1), Pair(second, 2)]));
        Assert.Equal(0, new FileInfo(folder["m.jsonl"]).Length);
    }

    [Fact]
    public void Samples_come_back_as_they_were()
    {
        using var folder = new TemporaryFolder();
        var rows = new[]
        {
            new SampleRow { Step = 3, Stage = "grpo", Prompt = "2+2=", Completion = "4\n\"quoted\" <b>\u2028 日本 \ud83d\ude00", Reward = 1.5 },
            new SampleRow { Step = 3, Stage = "grpo", Split = SampleRow.HeldOut, PromptIndex = 0, Prompt = "2+3=", Completion = "5" },
            new SampleRow
            {
                Step = 0, Stage = "eval", Policy = "sft", PromptIndex = 3, Prompt = "", Completion = "", Reference = "4", Score = double.NaN,
            },
        };
        using (var writer = new SamplesWriter(folder["s.jsonl"]))
        {
            foreach (var row in rows) writer.Write(row);
        }

        Assert.Equal(rows, SamplesWriter.Read(folder["s.jsonl"]));
        Assert.Equal(3, File.ReadAllLines(folder["s.jsonl"], Encoding.UTF8).Length);
    }

    [Fact]
    public void A_completion_that_ends_inside_a_character_is_kept_readable()
    {
        using var folder = new TemporaryFolder();
        using (var writer = new SamplesWriter(folder["s.jsonl"]))
            writer.Write(new SampleRow { Step = 1, Stage = "sft", Prompt = "p", Completion = "a\ud83d" });
        Assert.Equal("a\ufffd", SamplesWriter.Read(folder["s.jsonl"]).Single().Completion);
    }

    [Fact]
    public void Every_metric_that_trl_names_has_a_title_and_an_explanation()
    {
        string[] names =
        [
            "loss", "grad_norm", "learning_rate", "entropy", "mean_token_accuracy", "num_tokens", "epoch", "accuracy", "margin", "mean_reward",
            "min_reward", "max_reward", "reward", "reward_std", "kl", "completions/mean_length", "completions/clipped_ratio", "frac_reward_zero_std",
            "clip_ratio/region_mean", "rewards/math/mean", "sampling/sampling_logp_difference/max", "objective/kl", "objective/entropy",
            "objective/non_score_reward", "objective/rlhf_reward", "objective/scores", "policy/approxkl_avg", "policy/clipfrac_avg",
            "policy/entropy_avg", "loss/policy_avg", "loss/value_avg", "val/clipfrac_avg", "val/ratio", "val/num_eos_tokens", "lr", "episode",
            "pass@8", "tokens_per_second",
        ];
        Assert.All(names, name => Assert.False(string.IsNullOrEmpty(MetricCatalog.Find(name)?.Explanation), name));
        Assert.All(MetricCatalog.All, info => Assert.True(info.Explanation.EndsWith('.') && info.Title.Length > 0, info.Name));
        Assert.Null(MetricCatalog.Find("unheard/of"));
    }

    [Theory]
    [InlineData("tokens_per_second", true)]
    [InlineData("step_time", true)]
    [InlineData("time/rollout", true)]
    [InlineData("memory/peak_mb", true)]
    [InlineData("reward", false)]
    [InlineData("num_tokens", false)]
    public void What_a_clock_decides_is_kept_apart(string name, bool timing) => Assert.Equal(timing, MetricCatalog.IsTiming(name));

    [Theory]
    [InlineData("pass@8", true)]
    [InlineData("eval/pass@1", true)]
    [InlineData("pass@1[difficulty=2]", true)]
    [InlineData("accuracy", true)]
    [InlineData("win_rate", true)]
    [InlineData("distinct-2", true)]
    [InlineData("eval/completions/clipped_ratio", true)]
    [InlineData("reward", false)]
    [InlineData("loss", false)]
    [InlineData("val/explained_variance", false)]
    [InlineData("judge_failures", false)]
    [InlineData("kl[difficulty=2]", false)]
    public void Which_metrics_are_shares_is_known_by_name(string name, bool share) => Assert.Equal(share ? (0, 1) : null, MetricCatalog.Describe(name).Bounds);

    /// <summary>The table's explanations say which they are.</summary>
    [Fact]
    public void What_is_explained_as_a_share_is_one() =>
        Assert.All(MetricCatalog.All.Where(info => info.Explanation.StartsWith("Share of", StringComparison.Ordinal)), info => Assert.True(info.IsShare, info.Name));
}
