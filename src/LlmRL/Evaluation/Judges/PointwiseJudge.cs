using LlmRL.Algorithms;
using LlmRL.Models;
using LlmRL.Rewards;
using LlmRL.Training;

namespace LlmRL.Evaluation.Judges;

/// <summary>A reward of the text as a judge: the completion with the higher score is the better one.</summary>
internal sealed class PointwiseJudge(IReward reward) : IPairwiseJudge
{
    public bool HasOrders => false;

    public IReadOnlyList<JudgedVerdict> Compare(IReadOnlyList<JudgedPair> pairs, CancellationToken cancellation) => Compare(pairs, texts =>
        [.. texts.AsParallel().AsOrdered().WithCancellation(cancellation).Select(text => reward.Score(text.Pair.Example, text.Text.Text))]);

    public void Dispose()
    {
    }

    /// <summary>Compares by scores. An opponent that several pairs share, the same object, is scored once.</summary>
    /// <param name="pairs">What to compare.</param>
    /// <param name="score">Scores texts, each with a pair that it belongs to, in order.</param>
    internal static IReadOnlyList<JudgedVerdict> Compare(IReadOnlyList<JudgedPair> pairs, Func<IReadOnlyList<(JudgedPair Pair, JudgedText Text)>, IReadOnlyList<double>> score)
    {
        var opponents = pairs.DistinctBy(pair => pair.Opponent, ReferenceEqualityComparer.Instance).ToArray();
        var scores = score([.. pairs.Select(pair => (pair, pair.Candidate)), .. opponents.Select(pair => (pair, pair.Opponent))]);
        var place = new Dictionary<object, int>(opponents.Select((pair, i) => KeyValuePair.Create<object, int>(pair.Opponent, pairs.Count + i)), ReferenceEqualityComparer.Instance);
        return [.. pairs.Select((pair, i) => new JudgedVerdict(WinRate.Compare(scores[i], scores[place[pair.Opponent]]), scores[i]))];
    }
}

/// <summary>A reward model as a judge: the completion with the higher score is the better one.</summary>
internal sealed class LearnedJudge(LearnedReward learned, StageContext context, int microBatchTokens) : IPairwiseJudge
{
    private readonly Transformer model = context.LoadModel(learned.Model, scalarHead: true, trainable: false);

    public bool HasOrders => false;

    public IReadOnlyList<JudgedVerdict> Compare(IReadOnlyList<JudgedPair> pairs, CancellationToken cancellation) => PointwiseJudge.Compare(pairs, texts =>
        Array.ConvertAll(RewardModel.ScoresOf(model, [.. texts.Select(text => Tokens(text.Pair, text.Text))], [.. texts.Select(text => text.Pair.Example)], microBatchTokens, cancellation), score => (double)score));

    public void Dispose() => model.Dispose();

    private int[] Tokens(JudgedPair pair, JudgedText text)
    {
        if (text.Tokens is { } known)
            return known;
        var (prompt, completion) = context.EncodePair(pair.Example, text.Text);
        return [.. prompt, .. completion];
    }
}
