using LlmRL.Losses;
using static TorchSharp.torch;

namespace LlmRL.Tests.Theory;

/// <summary>What a loss sees of a batch of episodes: right-padded (B, T) tensors, float64. What lies in the padding is anything but 0.</summary>
internal sealed class Batch
{
    private const double Junk = 7;
    private readonly FiniteProcess process;

    public Batch(FiniteProcess process, IReadOnlyList<Episode> episodes, Tensor policy)
    {
        (this.process, Episodes) = (process, episodes);
        Width = episodes.Max(episode => episode.Length);
        LogProbs = Of(policy);
        Mask = new ResponseMask(tensor(Pad(episode => [.. episode.Rewards.Select(_ => 1.0)], 0)).view(Episodes.Count, Width));
    }

    public IReadOnlyList<Episode> Episodes { get; }

    /// <summary>T.</summary>
    public int Width { get; }

    /// <summary>log π(a_t|s_t), with gradient.</summary>
    public Tensor LogProbs { get; }

    public ResponseMask Mask { get; }

    /// <summary>log π_other(a_t|s_t), constants.</summary>
    public Tensor LogProbsOf(double[] policy) => Of(tensor(policy));

    /// <summary>One number a token.</summary>
    public Tensor PerToken(Func<Episode, double[]> values) => tensor(Pad(values, Junk)).view(Episodes.Count, Width);

    /// <summary>One number a sequence, given to each of its tokens.</summary>
    public Tensor PerSequence(double[] values) => tensor(values).unsqueeze(1).expand(Episodes.Count, Width);

    /// <summary>Σ_t r_t of each episode.</summary>
    public double[] Scores => [.. Episodes.Select(episode => episode.Return())];

    private Tensor Of(Tensor policy)
    {
        var table = policy.view(process.States, process.Actions).log_softmax(-1).flatten();
        var cells = new long[Episodes.Count * Width];
        for (var b = 0; b < Episodes.Count; b++)
            for (var t = 0; t < Episodes[b].Length; t++)
                cells[b * Width + t] = Episodes[b].States[t] * process.Actions + Episodes[b].Actions[t];
        return table.index_select(0, tensor(cells)).view(Episodes.Count, Width);
    }

    private double[] Pad(Func<Episode, double[]> values, double padding)
    {
        var padded = new double[Episodes.Count * Width];
        Array.Fill(padded, padding);
        for (var b = 0; b < Episodes.Count; b++)
            values(Episodes[b]).CopyTo(padded, b * Width);
        return padded;
    }
}
