namespace LlmRL.Data;

/// <summary>A data set with random access: files or a generator. Row <c>i</c> is always the same example, on every machine.</summary>
public interface IExampleSource
{
    /// <summary>How many examples there are.</summary>
    int Count { get; }

    /// <summary>What the columns of a file were recognised as; null for generated data.</summary>
    DataFormat? Format => null;

    /// <summary>Example <paramref name="index"/>, 0 ≤ index &lt; <see cref="Count"/>.</summary>
    Example this[int index] { get; }
}
