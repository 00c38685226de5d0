using LlmRL.Runs;

namespace LlmRL.Tests.Runs;

/// <summary>Writes the folder of a run that never happened, with curves like those of a real one.</summary>
internal static class FakeRun
{
    public static RunDirectory Write(string path)
    {
        var directory = RunDirectory.Create(path);
        var random = new RandomStream(7);
        using (var metrics = new MetricsWriter(directory.MetricsPath))
        using (var timings = new MetricsWriter(directory.TimingsPath))
        {
            WriteSft(metrics, timings, random);
            WriteRewardModel(metrics, random);
            WriteGrpo(metrics, timings, random);
            WritePpo(metrics, random);
        }

        WriteSamples(directory);
        WriteSummary(directory);
        AtomicFile.WriteAllText(directory.RecipePath, "name: arithmetic\nseed: 1\nstages:\n  - sft: { name: sft, steps: 400 } # <first>\n");
        return directory;
    }

    private static void WriteSft(MetricsWriter metrics, MetricsWriter timings, RandomStream random)
    {
        for (var step = 1; step <= 400; step++)
        {
            var loss = 0.41 + 1.9 * Math.Exp(-step / 60.0) + 0.04 * random.NextNormal();
            metrics.Write(step, "sft",
            [
                new("loss", loss), new("grad_norm", 0.6 + (step == 1 ? 30 : 0) + 0.2 * Math.Abs(random.NextNormal())),
                new("learning_rate", 1e-3 * Math.Min(1, step / 40.0) * (0.5 + 0.5 * Math.Cos(Math.PI * step / 400))), new("entropy", 0.9 * loss),
                new("mean_token_accuracy", 0.9 - 0.6 * Math.Exp(-step / 60.0) + 0.01 * random.NextNormal()), new("num_tokens", step * 4096),
                new("epoch", step / 312.5),
            ]);
            timings.Write(step, "sft",
                [new("tokens_per_second", 41_000 + 1500 * random.NextNormal()), new("step_time", 0.1 + 0.004 * random.NextNormal())]);
        }
    }

    private static void WriteRewardModel(MetricsWriter metrics, RandomStream random)
    {
        for (var step = 1; step <= 200; step++)
        {
            var mean = 0.2 * random.NextNormal();
            metrics.Write(step, "reward_model",
            [
                new("loss", 0.3 + 0.4 * Math.Exp(-step / 50.0) + 0.04 * random.NextNormal()),
                new("accuracy", Math.Min(1, 0.85 - 0.35 * Math.Exp(-step / 50.0) + 0.04 * random.NextNormal())),
                new("margin", 1.4 - 1.4 * Math.Exp(-step / 60.0)),
                new("mean_reward", mean), new("min_reward", mean - 2 - step / 200.0), new("max_reward", mean + 2 + step / 150.0),
            ]);
        }
    }

    private static void WriteGrpo(MetricsWriter metrics, MetricsWriter timings, RandomStream random)
    {
        for (var step = 1; step <= 150; step++)
        {
            var done = 1 - Math.Exp(-step / 45.0);
            metrics.Write(step, "grpo",
            [
                new("loss", 0.0008 * random.NextNormal()), new("reward", 0.42 + 0.31 * done + 0.05 * random.NextNormal()),
                new("reward_std", 0.35 - 0.12 * done),
                new("kl", 0.03 * done + 0.002 * random.NextNormal()), new("entropy", 0.62 - 0.35 * done + 0.02 * random.NextNormal()),
                new("completions/mean_length", 21 + 6 * done + random.NextNormal()), new("completions/min_length", 9 + random.NextNormal()),
                new("completions/max_length", 48 + 3 * random.NextNormal()),
                new("completions/clipped_ratio", Math.Max(0, 0.05 * (1 - done) + 0.01 * random.NextNormal())),
                new("frac_reward_zero_std", 0.1 + 0.3 * done), new("clip_ratio/region_mean", 0.01 * random.NextDouble()),
                new("rewards/math/mean", 0.4 + 0.32 * done + 0.05 * random.NextNormal()),
                new("rewards/format/mean", 0.7 + 0.28 * done + 0.02 * random.NextNormal()),
                new("grad_norm", step == 70 ? double.NaN : 0.3 + 0.1 * Math.Abs(random.NextNormal())),
                new("learning_rate", 2e-4 * (1 - step / 150.0)),
                new("sampling/sampling_logp_difference/max", 1e-6 * random.NextDouble()), new("my_own/metric", random.NextDouble()),
            ]);
            timings.Write(step, "grpo",
            [
                new("tokens_per_second", 12_300 + 400 * random.NextNormal()), new("time/rollout", 0.5 + 0.05 * done), new("time/update", 0.24),
                new("time/reward", 0.01),
            ]);
        }
    }

    private static void WritePpo(MetricsWriter metrics, RandomStream random)
    {
        for (var step = 1; step <= 120; step++)
        {
            var done = 1 - Math.Exp(-step / 40.0);
            metrics.Write(step, "ppo",
            [
                new("objective/scores", -0.4 + 1.8 * done + 0.15 * random.NextNormal()), new("objective/kl", 9 * done + 0.4 * random.NextNormal()),
                new("objective/rlhf_reward", -0.4 + 1.4 * done + 0.15 * random.NextNormal()), new("objective/non_score_reward", -0.45 * done),
                new("objective/entropy", 42 - 14 * done + random.NextNormal()), new("policy/approxkl_avg", 0.004 + 0.002 * random.NextDouble()),
                new("policy/clipfrac_avg", 0.03 + 0.02 * random.NextDouble()), new("val/clipfrac_avg", 0.01 * random.NextDouble()),
                new("policy/entropy_avg", 1.1 - 0.3 * done), new("loss/policy_avg", -0.01 + 0.01 * random.NextNormal()),
                new("loss/value_avg", 0.1 + 0.5 * Math.Exp(-step / 12.0) + 0.02 * random.NextNormal()),
                new("val/ratio", 1 + 0.002 * random.NextNormal()),
                new("val/num_eos_tokens", 60 + 4 * done), new("lr", 3e-5 * (1 - step / 120.0)), new("episode", step * 64),
            ]);
        }
    }

    private static void WriteSamples(RunDirectory directory)
    {
        using var samples = new SamplesWriter(directory.SamplesPath);
        for (var step = 10; step <= 150; step += 10)
        {
            samples.Write(new SampleRow
            {
                Step = step,
                Stage = "grpo",
                Prompt = $"Q: {step}+17=\nA:",
                Completion = step < 60 ? " I think it is\n17" : $" {step}+17={step + 17}\n#### {step + 17}",
                Reward = step < 60 ? 0 : 1,
            });
        }

        for (var i = 0; i < 30; i++)
        {
            foreach (var policy in new[] { "sft", "grpo" })
            {
                var right = policy == "grpo" ? i % 5 != 1 : i % 5 < 2;
                var answer = 13 * i + 29 + (right ? 0 : 10);
                samples.Write(new SampleRow
                {
                    Step = 0,
                    Stage = "eval",
                    Policy = policy,
                    PromptIndex = i,
                    Prompt = $"Question: What is {13 * i} + 29?\nAnswer:",
                    Completion = i == 2
                        ? "<script>alert('x')</script>\u0007 & <b>bold</b>"
                        : $" {13 * i} + 29 = {answer}.\n    So the answer is\n#### {answer}",
                    Reference = $"{13 * i + 29}",
                    Score = right ? 1 : 0,
                });
            }
        }
    }

    private static void WriteSummary(RunDirectory directory) => new RunSummary
    {
        Name = "arithmetic-grpo",
        Seed = 1,
        Version = "0.1.0",
        Command = "llmrl run recipes/arithmetic-grpo.yaml --out runs/x",
        Device = "cpu, 2 threads",
        Stages =
        [
            new StageSummary("sft", "sft", 400, 41.2, []),
            new StageSummary("reward_model", "reward_model", 200, 22.5, []),
            new StageSummary("grpo", "grpo", 150, 118, []),
            new StageSummary("ppo", "ppo", 120, 96.3, []),
            new StageSummary("eval", "evaluate", 0, 12.4, new()
            {
                ["pass@1/sft"] = 0.421, ["pass@1_se/sft"] = 0.0156, ["pass@1/grpo"] = 0.713, ["pass@1_se/grpo"] = 0.0143, ["pass@1/ppo"] = 0.684,
                ["pass@1_se/ppo"] = 0.0147, ["pass@8/sft"] = 0.81, ["pass@8_se/sft"] = 0.012, ["pass@8/grpo"] = 0.902, ["pass@8_se/grpo"] = 0.009,
                ["pass@8/ppo"] = 0.88, ["pass@8_se/ppo"] = 0.01, ["reward/sft"] = -0.35, ["reward_se/sft"] = 0.03, ["reward/grpo"] = 0.92,
                ["reward_se/grpo"] = 0.03, ["reward/ppo"] = 1.31, ["reward_se/ppo"] = 0.03, ["win_rate/grpo"] = 0.61, ["win_rate_se/grpo"] = 0.015,
                ["win_rate/ppo"] = 0.66, ["win_rate_se/ppo"] = 0.015, ["kl/grpo"] = 0.031, ["kl/ppo"] = 9.1, ["mean_length/sft"] = 20.8,
                ["mean_length/grpo"] = 26.7, ["mean_length/ppo"] = 31.2, ["accuracy/reward_model"] = 0.79,
            }),
        ],
    }.Write(directory.SummaryPath);
}
