using System.Globalization;
using System.Text.RegularExpressions;

namespace LlmRL.Recipes.Binding;

/// <summary>
/// Stages that are done again and again: an item of <c>stages</c> such as <c>repeat: { rounds: 3, first: { before: sft }, then: { before: "rloo-${round - 1}" },
/// stages: [...] }</c> stands for its stages, once a round. In them <c>${round}</c> is 1, 2, …, with a whole number added or taken off where that is written
/// (<c>${round - 1}</c>), and the names under <c>first</c> and <c>then</c> have other values in the first round than in the later ones.
/// </summary>
internal sealed partial class RecipeRounds
{
    /// <summary>The kind of the item that stands for repeated stages.</summary>
    public const string Key = "repeat";

    private const string Stages = "stages", RoundsKey = "rounds", FirstKey = "first", ThenKey = "then", Round = "round";
    private const int MostRounds = 1000;

    private static readonly string[] Keys = [RoundsKey, FirstKey, ThenKey, Stages];

    private readonly RecipeMapping body;
    private readonly string path;
    private readonly RecipeFaults faults;
    private readonly HashSet<string> used = new(StringComparer.Ordinal);

    private RecipeRounds(RecipeMapping body, string path, RecipeFaults faults) => (this.body, this.path, this.faults) = (body, path, faults);

    /// <summary>The recipe with its repeated stages written out; the recipe itself where it has none.</summary>
    /// <param name="recipe">The recipe, with its variables.</param>
    /// <param name="fill">Fills variables in: the number of rounds may be one.</param>
    /// <param name="faults">Where faults go.</param>
    public static RecipeMapping Expand(RecipeMapping recipe, Func<RecipeNode, RecipeNode> fill, RecipeFaults faults)
    {
        if (recipe.Find(Stages) is not { Value: RecipeSequence stages } entry || !stages.Items.Exists(item => Repeated(item) is not null))
            return recipe;
        var all = new RecipeSequence(stages.Mark);
        for (var i = 0; i < stages.Items.Count; i++)
        {
            var path = string.Create(CultureInfo.InvariantCulture, $"{Stages}.{i}.{Key}");
            if (Repeated(stages.Items[i]) is not { } repeat)
                all.Items.Add(stages.Items[i]);
            else if (repeat.Value is RecipeMapping body)
                all.Items.AddRange(new RecipeRounds(body, path, faults).Expand(recipe.Find(RecipeVariables.Key)?.Value as RecipeMapping, fill));
            else
                faults.Add(repeat.Mark, path, $"expected what is repeated, found {repeat.Value.Describe()}. Write {Key}: {{ {RoundsKey}: 3, {Stages}: [...] }}");
        }

        var expanded = new RecipeMapping(recipe.Mark);
        foreach (var setting in recipe.Entries)
            expanded.Set(setting.Key, setting.Mark, setting == entry ? all : setting.Value);
        return expanded;
    }

    private static RecipeEntry? Repeated(RecipeNode item) => item is RecipeMapping { Entries: [{ Key: Key } only] } ? only : null;

    private IEnumerable<RecipeNode> Expand(RecipeMapping? variables, Func<RecipeNode, RecipeNode> fill)
    {
        foreach (var odd in body.Entries.Where(entry => !Keys.Contains(entry.Key)))
            faults.Add(odd.Mark, $"{path}.{odd.Key}", $"unknown key. {KeyNames.Remedy(odd.Key, Keys, "keys")}");
        var (first, then) = (Names(FirstKey), Names(ThenKey));
        CheckNames(first, then, variables);
        if (Rounds(fill) is not { } rounds || Sequence() is not { } stages)
            return [];
        var written = new List<RecipeNode>();
        for (var round = 1; round <= rounds; round++)
        {
            var names = round == 1 ? first : then;
            written.AddRange(stages.Items.Select(stage => Fill(stage, round, names)));
        }

        foreach (var idle in first.Entries.Where(entry => !used.Contains(entry.Key)))
            faults.Add(idle.Mark, $"{path}.{FirstKey}.{idle.Key}", $"no repeated stage uses it. Write ${{{idle.Key}}} where it is meant, or take it out.");
        return written;
    }

    private RecipeMapping Names(string key)
    {
        if (body.Find(key) is not { } entry)
            return new RecipeMapping(body.Mark);
        if (entry.Value is RecipeMapping names)
            return names;
        faults.Add(entry.Mark, $"{path}.{key}", $"expected names with values, found {entry.Value.Describe()}. Write {key}: {{ NAME: VALUE }}");
        return new RecipeMapping(body.Mark);
    }

    private void CheckNames(RecipeMapping first, RecipeMapping then, RecipeMapping? variables)
    {
        foreach (var (names, others, key, other) in new[] { (first, then, FirstKey, ThenKey), (then, first, ThenKey, FirstKey) })
        {
            foreach (var entry in names.Entries)
            {
                if (others.Find(entry.Key) is null)
                    faults.Add(entry.Mark, $"{path}.{key}.{entry.Key}", $"{other} gives {entry.Key} no value. Give it one in both.");
                else if (entry.Key == Round || variables?.Find(entry.Key) is not null)
                    faults.Add(entry.Mark, $"{path}.{key}.{entry.Key}", entry.Key == Round ? "round is the number of the round. Take another name." : $"{entry.Key} is among the recipe's vars too. Take another name.");
            }
        }
    }

    private int? Rounds(Func<RecipeNode, RecipeNode> fill)
    {
        var entry = body.Find(RoundsKey);
        if (entry is not null && fill(entry.Value) is RecipeScalar { Text: { } text } && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var rounds) && rounds is >= 1 and <= MostRounds)
            return rounds;
        var found = entry is null ? "missing" : $"found {fill(entry.Value).Describe()}";
        faults.Add(entry?.Mark ?? body.Mark, $"{path}.{RoundsKey}", $"{found}, expected a whole number from 1 to {MostRounds}. Write it like {RoundsKey}: 3.");
        return null;
    }

    private RecipeSequence? Sequence()
    {
        var entry = body.Find(Stages);
        if (entry?.Value is RecipeSequence { Items.Count: > 0 } stages)
        {
            if (stages.Items.Select(Repeated).OfType<RecipeEntry>().FirstOrDefault() is not { } inner)
                return stages;
            faults.Add(inner.Mark, $"{path}.{Stages}", "stages cannot be repeated within repeated ones. Write the inner ones out.");
            return null;
        }

        faults.Add(entry?.Mark ?? body.Mark, $"{path}.{Stages}", $"{(entry is null ? "missing" : $"found {entry.Value.Describe()}")}, expected the stages that are repeated. Write them like those of a recipe.");
        return null;
    }

    /// <summary>A copy of a node for one round. What is neither <c>round</c> nor one of the names is left to the recipe's variables.</summary>
    private RecipeNode Fill(RecipeNode node, int round, RecipeMapping names)
    {
        switch (node)
        {
            case RecipeMapping mapping:
                var filled = new RecipeMapping(mapping.Mark);
                foreach (var entry in mapping.Entries)
                    filled.Set(entry.Key, entry.Mark, Fill(entry.Value, round, names));
                return filled;
            case RecipeSequence sequence:
                var items = new RecipeSequence(sequence.Mark);
                items.Items.AddRange(sequence.Items.Select(item => Fill(item, round, names)));
                return items;
            case RecipeScalar { Text: { } text } scalar when Reference().Match(text) is { Success: true } match:
                if (match.Length == text.Length && match.Groups[2].Length == 0 && Find(match, round, names) is { } whole)
                    return whole;
                // A value that is nothing but the round is a number, also where YAML wants quotes around it.
                var isNumber = match.Length == text.Length && match.Groups[1].Value == Round;
                return new RecipeScalar(scalar.Mark, Reference().Replace(text, part => Text(part, round, names, scalar.Mark) ?? part.Value), scalar.IsText && !isNumber);
            default:
                return node.Clone();
        }
    }

    /// <summary>The value of a name in one round; null where it is none of the rounds' names.</summary>
    private RecipeNode? Find(Match reference, int round, RecipeMapping names)
    {
        var name = reference.Groups[1].Value;
        if (name == Round || names.Find(name) is not { } entry)
            return null;
        used.Add(name);
        return Fill(entry.Value, round, new RecipeMapping(names.Mark));
    }

    /// <summary>What a reference means inside a text; null where the recipe's variables may know it.</summary>
    private string? Text(Match reference, int round, RecipeMapping names, RecipeMark mark)
    {
        var offset = reference.Groups[2].Value.Replace(" ", "", StringComparison.Ordinal);
        if (reference.Groups[1].Value == Round)
            return (round + (offset.Length == 0 ? 0 : int.Parse(offset, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture))).ToString(CultureInfo.InvariantCulture);
        if (offset.Length > 0)
        {
            faults.Add(mark, path, $"{reference.Value}: only round can be counted up or down. Write ${{round {offset[0]} {offset[1..]}}}, or a name alone.");
            return null;
        }

        switch (Find(reference, round, names))
        {
            case null:
                return null;
            case RecipeScalar { Text: { } text }:
                return text;
            case { } value:
                faults.Add(mark, path, $"{reference.Value} is {value.Describe()} and cannot stand inside a text. Give it a single value.");
                return null;
        }
    }

    [GeneratedRegex(@"\$\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*([+-]\s*[0-9]{1,6})?\s*\}")]
    private static partial Regex Reference();
}
