using static TorchSharp.torch;

namespace LlmRL.Losses;

/// <summary>How per-token losses become one number: the choice decides whose tokens weigh how much.</summary>
public enum Aggregation
{
    /// <summary>Σ_{b,t} ℓ / Σ mask over the whole batch: every token weighs the same (bnpo; dapo over the global batch, arXiv 2503.14476).</summary>
    TokenMean,

    /// <summary>mean_b (Σ_t ℓ / length_b): every sequence weighs the same, so tokens of long ones less (grpo, arXiv 2402.03300).</summary>
    SequenceMean,

    /// <summary>Σ_{b,t} ℓ / (B · T_max): a constant, free of length bias (dr_grpo, arXiv 2503.20783).</summary>
    FixedLength,

    /// <summary>mean_b Σ_t ℓ: the log-probability of the whole sequence (REINFORCE, RLOO: arXiv 2402.14740).</summary>
    SequenceSum,
}

/// <summary>Sums and means of per-token losses.</summary>
public static class Aggregations
{
    /// <summary>Aggregates per-token losses.</summary>
    /// <param name="losses">ℓ, (B, T).</param>
    /// <param name="mask">Which tokens count.</param>
    /// <param name="how">The rule.</param>
    /// <param name="share">
    /// The part of the whole batch that these rows are, by which gradient accumulation over micro-batches stays exact: for <see cref="Aggregation.TokenMean"/>
    /// the whole batch's token count, otherwise its number of sequences. 0: these rows are the batch.
    /// </param>
    /// <param name="fixedLength">T_max of <see cref="Aggregation.FixedLength"/>, in tokens.</param>
    /// <returns>A scalar.</returns>
    public static Tensor Aggregate(this Tensor losses, ResponseMask mask, Aggregation how, double share = 0, long fixedLength = 0)
    {
        double rows = share > 0 ? share : mask.Sequences;
        return how switch
        {
            Aggregation.TokenMean => share > 0 ? mask.Sum(losses) / share : mask.Mean(losses),
            Aggregation.SequenceMean => (mask.SumPerSequence(losses) / mask.Lengths().clamp_min(1)).sum() / rows,
            Aggregation.FixedLength when fixedLength <= 0 => throw new ArgumentOutOfRangeException(nameof(fixedLength), fixedLength, "FixedLength needs the length to divide by"),
            Aggregation.FixedLength => mask.Sum(losses) / (rows * fixedLength),
            Aggregation.SequenceSum => mask.Sum(losses) / rows,
            _ => throw new ArgumentOutOfRangeException(nameof(how), how, null),
        };
    }
}
