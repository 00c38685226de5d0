using LlmRL.Data;
using LlmRL.Evaluation.Judges;
using LlmRL.Models;
using LlmRL.Rewards;
using LlmRL.Rollouts;
using LlmRL.Runs;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Evaluation;

/// <summary>Samples a policy's completions of the held-out prompts and turns them into numbers with standard errors.</summary>
internal sealed class PolicyEvaluation : IDisposable
{
    private readonly Evaluate stage;
    private readonly StageContext context;
    private readonly Example[] examples;
    private readonly RewardScorer? scorer;
    private readonly IPairwiseJudge? judge;
    private readonly Transformer? reference;
    private readonly string? referenceName;
    private readonly int samples;
    private readonly PassRates rates;

    public PolicyEvaluation(Evaluate stage, StageContext context)
    {
        (this.stage, this.context) = (stage, context);
        var data = context.Open(stage.Data);
        examples = [.. Enumerable.Range(0, data.Count).Select(i => data[i])];
        samples = stage.PassAtK.Concat(stage.MajAtK).Concat(stage.BestOfN).DefaultIfEmpty(1).Max();
        scorer = stage.Reward is { } source ? new RewardScorer(source, context, stage.MicroBatchTokens) : null;
        judge = stage.Judge is { } judging ? JudgeSetup.Open(judging, context, stage.MicroBatchTokens) : null;
        referenceName = stage.Reference ?? stage.Policies.FirstOrDefault();
        if (stage.Temperature > 0 && referenceName is not null)
            reference = context.LoadModel(referenceName, trainable: false);
        rates = new PassRates(stage, examples);
        if (stage.PassAtK.Count + stage.MajAtK.Count > 0 && stage.Verifier is MathReward && examples.FirstOrDefault(example => (example.Answer ?? example.Completion) is null) is { } unanswered)
            throw new BadInputException($"{unanswered.Source}: pass_at_k needs an answer in every row; map its column under data.columns.answer.");
        if (stage.Judge is not null && examples.FirstOrDefault(example => example.Completion is null) is { } unreferenced)
            throw new BadInputException($"{unreferenced.Source}: a judge compares with a reference completion, which this row lacks; map its column under data.columns.completion.");
    }

    /// <summary>Everything about one policy, keyed <c>metric/POLICY</c>.</summary>
    public IEnumerable<KeyValuePair<string, double>> Measure(string policyName)
    {
        using var policy = context.LoadModel(policyName, trainable: false);
        using var sampler = new PolicySampler(policy, context);
        var options = new SamplingOptions { Temperature = stage.Temperature, TopP = stage.TopP, MaxNewTokens = stage.MaxCompletionLength };
        var rollout = sampler.Sample(examples, samples, options, new SampleKey(context.Key("sampling"), 0), scorer);
        var rows = new MeasuredRows(policyName);
        if (stage.PassAtK.Count + stage.MajAtK.Count > 0)
            rates.Add([.. rollout.Groups()], policyName == referenceName, rows, context.Cancellation);
        var judged = judge is not null ? Judged(rollout, judge) : null;
        if (judged is not null)
            AddJudgement(judged, rows);
        if (scorer is not null)
            AddRewards(rollout, rows);
        if (reference is not null && policyName == referenceName)
            rows.Add("kl", 0);
        else if (reference is not null)
            AddKl(rollout, reference, rows);
        rows.AddMean("length", rollout.Trajectories.Select(trajectory => (double)trajectory.Length));
        rows.Add("clipped_ratio", rollout.Trajectories.Average(trajectory => trajectory.IsTruncated ? 1.0 : 0));
        for (var n = 1; n <= 2; n++)
            rows.Add($"distinct-{n}", Diversity.Distinct(rollout.Trajectories.Select(trajectory => trajectory.Completion.Tokens), n));
        Keep(rollout, policyName);
        return [.. rows.All, .. stage.BestOfN.Distinct().Order().SelectMany(n => BestOf(rollout, judged, n, policyName))];
    }

    public void Dispose()
    {
        scorer?.Dispose();
        judge?.Dispose();
        reference?.Dispose();
    }

    /// <summary>Mean score over prompts; completions that a server could not score are left out and counted.</summary>
    private static void AddRewards(Rollout rollout, MeasuredRows rows)
    {
        var scored = rollout.Groups().Select(group => group.Where(trajectory => !double.IsNaN(trajectory.Score)).Select(trajectory => trajectory.Score).ToArray());
        rows.AddMean("reward", scored.Where(scores => scores.Length > 0).Select(scores => scores.Average()));
        if (rollout.Trajectories.Count(trajectory => trajectory.FailedRewards.Count > 0) is > 0 and var failures)
            rows.Add("reward_failures", failures);
    }

    /// <summary>What is known of each trajectory against the reference completion, group by group.</summary>
    private Judgement[] Judged(Rollout rollout, IPairwiseJudge judging)
    {
        var verdicts = judging.Compare([.. rollout.Groups().SelectMany(group =>
        {
            var human = new JudgedText(group[0].Example.Completion!);
            return group.Select(trajectory => new JudgedPair(trajectory.Example, new JudgedText(trajectory.Text, trajectory.AllTokens()), human));
        })], context.Cancellation);
        return [.. rollout.Groups().Zip(verdicts.Chunk(rollout.GroupSize), (group, said) => new Judgement(said, LengthDifferences(group)))];
    }

    private void AddJudgement(Judgement[] judged, MeasuredRows rows)
    {
        rows.AddMean("win_rate", judged.Select(group => group.Points.Average()));
        rows.AddEstimate("win_rate_length_controlled", LengthControlledWinRate.Of([.. judged.Select(group => group.Points)], [.. judged.Select(group => group.Longer)]));
        if (judged[0].Scores is not null)
            rows.AddMean(ScoreName, judged.Select(group => group.Scores!.Average()));
        var verdicts = judged.SelectMany(group => group.Verdicts).ToArray();
        double Share(Func<JudgedVerdict, bool> what) => verdicts.Count(what) / (double)verdicts.Length;
        if (stage.Judge is HttpJudge)
            rows.Add("judge_ties", Share(said => said.Verdict == Verdict.Tie));
        if (judge!.HasOrders)
            rows.Add("judge_inconsistent", Share(said => said.IsInconsistent));
        if (verdicts.Any(said => said.IsFailed))
            rows.Add("judge_failures", verdicts.Count(said => said.IsFailed));
    }

    /// <summary>A reward model is no gold judge: it may be the very one that was trained against.</summary>
    private string ScoreName => stage.Judge is LearnedReward ? "judge_score" : "gold";

    /// <summary>Tokens of each completion, without the stop token, less those of the reference completion.</summary>
    private double[] LengthDifferences(IReadOnlyList<Trajectory> group)
    {
        var human = context.Tokenizer.Encode(group[0].Example.Completion!).Length;
        return [.. group.Select(trajectory => (double)(trajectory.Length - (trajectory.IsTruncated ? 0 : 1) - human))];
    }

    private List<KeyValuePair<string, double>> BestOf(Rollout rollout, Judgement[]? judged, int n, string policyName)
    {
        var rows = new MeasuredRows($"{policyName}-best-of-{n}");
        // A group that could not be scored has no best.
        var groups = rollout.Groups().Index().Where(pair => !pair.Item.Any(trajectory => double.IsNaN(trajectory.Score)))
            .Select(pair => (Group: pair.Item, Rewards: pair.Item.Select(trajectory => trajectory.Score).ToArray(), Judged: judged?[pair.Index])).ToArray();
        // A regression and a ratio have no expectation over subsets: these two are those of the best among the first n.
        var first = Array.ConvertAll(groups, group => Enumerable.Range(0, n).MaxBy(sample => group.Rewards[sample]));
        if (judged is not null)
        {
            AddBest("win_rate", i => groups[i].Judged!.Points);
            rows.AddEstimate("win_rate_length_controlled", LengthControlledWinRate.Of(
                [.. first.Select((best, i) => new[] { groups[i].Judged!.Points[best] })], [.. first.Select((best, i) => new[] { groups[i].Judged!.Longer[best] })]));
            if (judged[0].Scores is not null)
                AddBest(ScoreName, i => groups[i].Judged!.Scores!);
        }

        AddBest("reward", i => groups[i].Rewards);
        rows.Add("kl", BestOfN.Kl(n));
        AddBest("length", i => [.. groups[i].Group.Select(trajectory => (double)trajectory.Length)]);
        rows.Add("distinct-2", Diversity.Distinct(first.Select((best, i) => groups[i].Group[best].Completion.Tokens), 2));
        return rows.All;

        void AddBest(string metric, Func<int, double[]> values) =>
            rows.AddMean(metric, groups.Select((group, i) => BestOfN.Expectation(group.Rewards, values(i), n)));
    }

    private void AddKl(Rollout rollout, Transformer model, MeasuredRows rows)
    {
        using var guard = no_grad();
        var share = new BatchShare(rollout.Trajectories.Count, rollout.TokenCount);
        foreach (var micro in MicroBatches.Split(rollout.Trajectories, stage.MicroBatchTokens, model))
        {
            context.Cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            using var batch = new PolicyBatch(micro, model.Device, share) { Metrics = new BatchMetrics() };
            using var forward = batch.Forward(model, stage.Temperature);
            PolicyBatch.Unpad(batch.LogProbs, micro, (trajectory, values) => trajectory.ReferenceLogProbs = values);
        }

        rows.AddMean("kl", rollout.Trajectories.Select(trajectory => trajectory.KlToReference()));
    }

    private void Keep(Rollout rollout, string policyName)
    {
        for (var i = 0; i < Math.Min(stage.LogCompletions, examples.Length); i++)
        {
            var trajectory = rollout.Trajectories[i * samples];
            double? score = (stage.Judge as IReward)?.Score(examples[i], trajectory.Text) ?? (stage.PassAtK.Count > 0 ? stage.Verifier.Score(examples[i], trajectory.Text)
                : scorer is null || double.IsNaN(trajectory.Score) ? null : trajectory.Score);
            context.Log.Sample(new SampleRow
            {
                Step = 0,
                Stage = stage.Name,
                Policy = policyName,
                PromptIndex = i,
                Prompt = examples[i].Prompt,
                Completion = trajectory.Text,
                Reference = examples[i].Completion ?? examples[i].Answer,
                Score = score,
            });
        }
    }
}

/// <summary>A prompt's completions against its reference completion.</summary>
/// <param name="Verdicts">What the judge said of each.</param>
/// <param name="Longer">Tokens beyond those of the reference.</param>
internal sealed record Judgement(JudgedVerdict[] Verdicts, double[] Longer)
{
    /// <summary>1 for a win, ½ for a tie, 0 for a loss.</summary>
    public double[] Points { get; } = Array.ConvertAll(Verdicts, said => WinRate.Points(said.Verdict));

    /// <summary>The judge's score of each; null where it gives none.</summary>
    public double[]? Scores { get; } = Verdicts.All(said => said.Score is not null) ? Array.ConvertAll(Verdicts, said => said.Score!.Value) : null;
}

/// <summary>Numbers of one policy or model, with their standard errors beside them.</summary>
/// <param name="subject">The policy or model.</param>
internal sealed class MeasuredRows(string subject)
{
    public List<KeyValuePair<string, double>> All { get; } = [];

    public void Add(string metric, double value) => All.Add(new($"{metric}/{subject}", value));

    /// <summary>The mean over prompts and its standard error s/√n.</summary>
    public void AddMean(string metric, IEnumerable<double> values) => AddEstimate(metric, Estimate.Mean([.. values]));

    /// <summary>A number with its standard error.</summary>
    public void AddEstimate(string metric, Estimate estimate)
    {
        Add(metric, estimate.Value);
        if (estimate.Count > 1)
            Add(metric + "_se", estimate.StandardError);
    }
}
