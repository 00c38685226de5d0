namespace LlmRL.Data;

/// <summary>A data set with random access: files or a generator. Row <c>i</c> is always the same example, on every machine.</summary>
public interface IExampleSource
{
    /// <summary>How many examples there are.</summary>
    int Count { get; }

    /// <summary>Example <paramref name="index"/>, 0 ≤ index &lt; <see cref="Count"/>.</summary>
    Example this[int index] { get; }
}
