namespace LlmRL.Data;

/// <summary>Rows as a model sees them: conversations written by its chat template, prompts that fit.</summary>
public sealed class PreparedExamples : IExampleSource
{
    private readonly IExampleSource source;
    private readonly ChatForm form;
    private readonly PromptLimit? limit;
    private readonly int[]? kept;
    private readonly ExampleCache cache;

    /// <summary>Prepares a data set. Where too long prompts are dropped, every row is looked at now.</summary>
    /// <param name="source">The rows.</param>
    /// <param name="form">How messages become text.</param>
    /// <param name="limit">What makes prompts fit; null: any length.</param>
    public PreparedExamples(IExampleSource source, ChatForm form, PromptLimit? limit)
    {
        (this.source, this.form, this.limit) = (source, form, limit);
        if (limit is { Drops: true })
            kept = [.. Enumerable.Range(0, source.Count).Where(i => limit.Fits(Written(i)))];
        cache = new ExampleCache(Count);
    }

    /// <inheritdoc/>
    public int Count => kept?.Length ?? source.Count;

    /// <summary>How many rows are left out.</summary>
    public int Dropped => source.Count - Count;

    /// <inheritdoc/>
    public DataFormat? Format => source.Format;

    /// <inheritdoc/>
    public Example this[int index] => cache.Get(index, i => limit is null ? Written(kept?[i] ?? i) : limit.Shorten(Written(kept?[i] ?? i)));

    private Example Written(int row)
    {
        var example = source[row];
        try
        {
            return ConversationText.Apply(example, form);
        }
        catch (BadInputException fault)
        {
            throw new BadInputException($"{example.Source}: {fault.Message}", fault);
        }
    }
}
