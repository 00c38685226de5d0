using LlmRL.Algorithms;
using LlmRL.Models;
using LlmRL.Rewards;
using LlmRL.Training;
using static TorchSharp.torch;

namespace LlmRL.Evaluation.Judges;

/// <summary>A reward of the text as a judge: the completion with the higher score is the better one.</summary>
internal sealed class PointwiseJudge(IReward reward) : IPairwiseJudge
{
    public bool HasOrders => false;

    public IReadOnlyList<JudgedVerdict> Compare(IReadOnlyList<JudgedPair> pairs, CancellationToken cancellation) => [.. pairs.AsParallel().AsOrdered().WithCancellation(cancellation)
        .Select(pair => Of(reward.Score(pair.Example, pair.Candidate.Text), reward.Score(pair.Example, pair.Opponent.Text)))];

    public void Dispose()
    {
    }

    internal static JudgedVerdict Of(double candidate, double opponent) => new(WinRate.Compare(candidate, opponent), candidate);
}

/// <summary>A reward model as a judge: the completion with the higher score is the better one.</summary>
internal sealed class LearnedJudge(LearnedReward learned, StageContext context, int microBatchTokens) : IPairwiseJudge
{
    private readonly Transformer model = context.LoadModel(learned.Model, scalarHead: true, trainable: false);

    public bool HasOrders => false;

    public IReadOnlyList<JudgedVerdict> Compare(IReadOnlyList<JudgedPair> pairs, CancellationToken cancellation)
    {
        var scores = Scores([.. pairs.SelectMany(pair => new[] { Tokens(pair, pair.Candidate), Tokens(pair, pair.Opponent) })], cancellation);
        return [.. pairs.Select((_, i) => PointwiseJudge.Of(scores[2 * i], scores[2 * i + 1]))];
    }

    public void Dispose() => model.Dispose();

    private int[] Tokens(JudgedPair pair, JudgedText text)
    {
        if (text.Tokens is { } known)
            return known;
        var (prompt, completion) = context.EncodePair(pair.Example, text.Text);
        return [.. prompt, .. completion];
    }

    private List<double> Scores(int[][] sequences, CancellationToken cancellation)
    {
        using var guard = no_grad();
        var scores = new List<double>(sequences.Length);
        foreach (var micro in MicroBatches.Split(sequences, sequence => sequence.Length, microBatchTokens))
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            foreach (var score in RewardModel.LastTokenScores(model, [.. micro]).cpu().data<float>().ToArray())
                scores.Add(score);
        }

        return scores;
    }
}
