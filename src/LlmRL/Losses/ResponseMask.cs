using static TorchSharp.torch;

namespace LlmRL.Losses;

/// <summary>
/// Which cells of a right-padded (B, T) tensor count: 1 = a response token, 0 = padding. The one polarity of this code base; means, sums and
/// aggregations of losses take this type alone, so that padding can never leak into a number.
/// </summary>
public readonly record struct ResponseMask
{
    /// <summary>Wraps a (B, T) tensor of zeros and ones in the loss's float type.</summary>
    public ResponseMask(Tensor value)
    {
        if (value.dim() != 2)
            throw new ArgumentException($"a response mask has shape (B, T), not [{string.Join(", ", value.shape)}]");
        Value = value;
    }

    /// <summary>(B, T), 1 where the token counts.</summary>
    public Tensor Value { get; }

    /// <summary>B.</summary>
    public long Sequences => Value.size(0);

    /// <summary>Σ mask, a scalar.</summary>
    public Tensor Count() => Value.sum();

    /// <summary>Tokens of each sequence, (B).</summary>
    public Tensor Lengths() => Value.sum(1L);

    /// <summary>Σ x·mask, a scalar. Cells outside the mask do not count even where they hold NaN or infinity.</summary>
    public Tensor Sum(Tensor x) => Clean(x).sum();

    /// <summary>Σ x·mask / Σ mask, a scalar; 0 where the mask is empty.</summary>
    public Tensor Mean(Tensor x) => Clean(x).sum() / Value.sum().clamp_min(1);

    /// <summary>Σ_t x·mask of each sequence, (B).</summary>
    public Tensor SumPerSequence(Tensor x) => Clean(x).sum(1L);

    /// <summary>x inside the mask, 0 outside.</summary>
    public Tensor Clean(Tensor x) => where(Value.eq(0), zeros_like(x), x);
}
