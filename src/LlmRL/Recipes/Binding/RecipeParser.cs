using System.Text;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace LlmRL.Recipes.Binding;

/// <summary>Reads YAML into nodes that remember their line. Simple anchors and aliases work; tags and merge keys are refused.</summary>
internal sealed class RecipeParser
{
    private const int MaxDepth = 64;
    private const int MaxNodes = 100_000;

    private readonly Dictionary<string, RecipeNode> anchors = [];
    private readonly string source;
    private readonly bool hasLines;
    private readonly RecipeFaults faults;
    private readonly Scanner scanner;
    private readonly Parser events;
    private int nodes;

    private RecipeParser(string text, string source, bool hasLines, RecipeFaults faults)
    {
        (this.source, this.hasLines, this.faults) = (source, hasLines, faults);
        scanner = new Scanner(new StringReader(text));
        events = new Parser(scanner);
    }

    /// <summary>Reads a file's text as UTF-8.</summary>
    public static string ReadFile(string path)
    {
        try
        {
            return File.ReadAllText(path, new UTF8Encoding(false, throwOnInvalidBytes: true));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new BadInputException($"{path}: no such file. Name an existing recipe, such as one in recipes/.", e);
        }
        catch (DecoderFallbackException e)
        {
            throw new BadInputException($"{path}: not UTF-8 text. Save the recipe as UTF-8.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    /// <summary>The one document in <paramref name="text"/>; null, with a fault added, where it is not valid YAML.</summary>
    /// <param name="text">The YAML.</param>
    /// <param name="source">The file's name, or the text of the override that the value stands in.</param>
    /// <param name="hasLines">Whether messages name lines: false for overrides.</param>
    /// <param name="faults">Takes the faults.</param>
    public static RecipeNode? Parse(string text, string source, bool hasLines, RecipeFaults faults)
    {
        var parser = new RecipeParser(text, source, hasLines, faults);
        try
        {
            return parser.Document();
        }
        catch (YamlException e)
        {
            parser.Invalid(text, Math.Max(e.Start.Line, e.End.Line), Reason(e));
            return null;
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException or IndexOutOfRangeException or NullReferenceException)
        {
            // YamlDotNet's scanner gives up in these ways on some texts, such as a flow mapping that is never closed.
            parser.Invalid(text, parser.scanner.CurrentPosition.Line, "it cannot be read beyond this line");
            return null;
        }
    }

    private void Invalid(string text, long line, string reason)
    {
        // YamlDotNet blames the scalar before an indentation with tabs, which may be lines above.
        var tabbed = reason.Contains("tab", StringComparison.Ordinal) ? FirstTabbed(text, line) : null;
        var remedy = tabbed is null ? "Check indentation, brackets, quotes and the space after each colon."
            : "The line is indented with a tab: use spaces.";
        faults.Add(new RecipeMark(source, hasLines ? (int)Math.Max(tabbed ?? line, 1) : 0, 0), "", $"not valid YAML: {reason.TrimEnd('.')}. {remedy}");
    }

    private static long? FirstTabbed(string text, long from)
    {
        var lines = text.Split('\n');
        for (var line = Math.Max(from, 1); line <= lines.Length; line++)
        {
            if (lines[line - 1].TakeWhile(char.IsWhiteSpace).Contains('\t'))
                return line;
        }

        return null;
    }

    private static string Reason(YamlException e) => (e.InnerException ?? e).Message.ReplaceLineEndings(" ");

    private RecipeNode Document()
    {
        events.Consume<StreamStart>();
        if (events.Accept<StreamEnd>(out _))
            return new RecipeScalar(new RecipeMark(source, hasLines ? 1 : 0, 0), null, false);
        events.Consume<DocumentStart>();
        var root = Node(0);
        events.Consume<DocumentEnd>();
        if (events.TryConsume<DocumentStart>(out var second))
            faults.Add(At(second), "", "a second YAML document starts here. Keep one document in the file.");
        return root;
    }

    private RecipeMark At(ParsingEvent e) => hasLines ? new RecipeMark(source, (int)e.Start.Line, (int)e.Start.Column) : new RecipeMark(source, 0, 0);

    private RecipeNode Node(int depth)
    {
        var head = events.Current ?? throw new YamlException("the text ends too early");
        if (depth > MaxDepth)
            throw new YamlException(head.Start, head.End, $"nested deeper than {MaxDepth} levels");
        if (events.TryConsume<AnchorAlias>(out var alias))
            return Alias(alias, depth);
        RecipeNode node = events.TryConsume<Scalar>(out var scalar) ? Value(scalar)
            : events.TryConsume<SequenceStart>(out var sequence) ? Sequence(sequence, depth)
            : Mapping(events.Consume<MappingStart>(), depth);
        Count(1, head);
        if (head is NodeEvent { Anchor.IsEmpty: false } anchored)
            anchors[anchored.Anchor.Value] = node;
        return node;
    }

    private RecipeNode Alias(AnchorAlias alias, int depth)
    {
        if (!anchors.TryGetValue(alias.Value.Value, out var node))
            throw new YamlException(alias.Start, alias.End, $"the alias *{alias.Value.Value} has no anchor &{alias.Value.Value} before it");
        if (depth + Height(node) > MaxDepth)
            throw new YamlException(alias.Start, alias.End, $"nested deeper than {MaxDepth} levels");
        // Copied, so that an override of one place leaves the other alone; counted, so that nested aliases cannot fill the memory.
        Count(Size(node), alias);
        return node.Clone();
    }

    private static int Size(RecipeNode node) => node switch
    {
        RecipeSequence sequence => 1 + sequence.Items.Sum(Size),
        RecipeMapping mapping => 1 + mapping.Entries.Sum(entry => Size(entry.Value)),
        _ => 1,
    };

    private static int Height(RecipeNode node) => node switch
    {
        RecipeSequence sequence => 1 + sequence.Items.Select(Height).DefaultIfEmpty().Max(),
        RecipeMapping mapping => 1 + mapping.Entries.Select(entry => Height(entry.Value)).DefaultIfEmpty().Max(),
        _ => 0,
    };

    private void Count(int more, ParsingEvent at)
    {
        nodes += more;
        if (nodes > MaxNodes)
            throw new YamlException(at.Start, at.End, $"more than {MaxNodes} values");
    }

    private RecipeScalar Value(Scalar scalar)
    {
        RefuseTag(scalar);
        var quoted = scalar.Style != ScalarStyle.Plain;
        var absent = !quoted && scalar.Value is "" or "~" or "null" or "Null" or "NULL";
        return new RecipeScalar(At(scalar), absent && !quoted ? null : scalar.Value, quoted);
    }

    private RecipeSequence Sequence(SequenceStart start, int depth)
    {
        RefuseTag(start);
        var node = new RecipeSequence(At(start));
        while (!events.TryConsume<SequenceEnd>(out _))
            node.Items.Add(Node(depth + 1));
        return node;
    }

    private RecipeMapping Mapping(MappingStart start, int depth)
    {
        RefuseTag(start);
        var node = new RecipeMapping(At(start));
        while (!events.TryConsume<MappingEnd>(out _))
        {
            if (!events.TryConsume<Scalar>(out var key))
            {
                var odd = events.Current!;
                throw new YamlException(odd.Start, odd.End, "a key must be plain text");
            }

            var value = Node(depth + 1);
            if (key.Value == "<<" && key.Style == ScalarStyle.Plain)
                faults.Add(At(key), "<<", "merge keys are not supported. Write the keys out.");
            else if (node.Find(key.Value) is { } first)
                faults.Add(At(key), key.Value, $"duplicate key{(hasLines ? $", first given on line {first.Mark.Line}" : "")}. Keep one of the two.");
            else
                node.Set(key.Value, At(key), value);
        }

        return node;
    }

    private void RefuseTag(NodeEvent node)
    {
        if (!node.Tag.IsEmpty && !node.Tag.IsNonSpecific)
            faults.Add(At(node), "", $"the YAML tag {node.Tag.Value} is not supported. Remove it.");
    }
}
