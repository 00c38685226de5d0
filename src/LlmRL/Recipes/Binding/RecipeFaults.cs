namespace LlmRL.Recipes.Binding;

/// <summary>Collects what is wrong with a recipe, so that the user sees every fault at once.</summary>
internal sealed class RecipeFaults
{
    private readonly List<(RecipeMark Mark, string Text)> faults = [];

    public int Count => faults.Count;

    /// <summary>Adds <c>where: key: problem</c>; <paramref name="problem"/> is one or more sentences, the last one the remedy.</summary>
    public void Add(RecipeMark mark, string key, string problem) =>
        faults.Add((mark, key.Length == 0 ? $"{mark}: {problem}" : $"{mark}: {key}: {problem}"));

    public void ThrowIfAny()
    {
        if (faults.Count == 0)
            return;
        // Stable: overrides (line 0) come first, then the file from top to bottom.
        throw new BadInputException(string.Join('\n', faults.OrderBy(fault => fault.Mark.Line).Select(fault => fault.Text).Distinct()));
    }
}
