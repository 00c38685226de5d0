namespace LlmRL.Tokenization.Chat;

/// <summary>
/// Messages → text, by a template in the subset of Jinja that published models use, with the settings and functions that transformers gives it:
/// <c>trim_blocks</c>, <c>lstrip_blocks</c>, loop controls, <c>raise_exception</c>, <c>strftime_now</c>, and <c>tojson</c> without escapes.
/// </summary>
/// <remarks>
/// A template is data from outside. It sees strings, numbers, lists and mappings, never an object of the program; its work and output are limited in
/// proportion to the messages. Immutable, and safe to use from several threads.
/// </remarks>
public sealed class ChatTemplate
{
    // A rendering may do this much work, and this much more for each character of its input.
    private const long BaseBudget = 1 << 20, BudgetPerCharacter = 256;

    private readonly Block _body;
    private readonly string _name;

    private ChatTemplate(string source, Block body, string name)
    {
        Source = source;
        _body = body;
        _name = name;
    }

    /// <summary>The template's text.</summary>
    public string Source { get; }

    /// <summary>Values for every rendering: the special tokens by name (<c>bos_token</c>, <c>eos_token</c>, …).</summary>
    public IReadOnlyDictionary<string, object?> SpecialTokens { get; private init; } = new Dictionary<string, object?>();

    /// <summary>The template that takes over where <c>tools</c> are given, if the model has one.</summary>
    public ChatTemplate? ToolUse { get; private init; }

    /// <summary>The clock behind <c>strftime_now</c>.</summary>
    public TimeProvider Clock { get; private init; } = TimeProvider.System;

    /// <summary>Reads a template. What cannot be read is a <see cref="BadInputException"/> with the line.</summary>
    /// <param name="source">The template's text.</param>
    /// <param name="file">Where it is from, for messages.</param>
    public static ChatTemplate Parse(string source, string? file = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        var name = file is null ? "chat template" : $"{file}: chat template";
        try
        {
            return new ChatTemplate(source, TemplateParser.Parse(source), name);
        }
        catch (TemplateFault fault)
        {
            throw new BadInputException($"{name}, line {fault.Line}: {fault.Message}", fault);
        }
    }

    /// <summary>The same template with other values around it; null leaves what is there.</summary>
    /// <param name="specialTokens"><see cref="SpecialTokens"/>.</param>
    /// <param name="toolUse"><see cref="ToolUse"/>.</param>
    /// <param name="clock"><see cref="Clock"/>.</param>
    public ChatTemplate With(IReadOnlyDictionary<string, object?>? specialTokens = null, ChatTemplate? toolUse = null, TimeProvider? clock = null) =>
        new(Source, _body, _name) { SpecialTokens = specialTokens ?? SpecialTokens, ToolUse = toolUse ?? ToolUse, Clock = clock ?? Clock };

    /// <summary>The conversation as the model is to see it.</summary>
    /// <param name="messages">The messages.</param>
    /// <param name="addGenerationPrompt">Whether the text ends where the assistant's answer begins.</param>
    /// <param name="extra">
    /// Further values, such as <c>tools</c> or <c>enable_thinking</c>: null, booleans, numbers, strings, lists, dictionaries by string, JSON elements.
    /// </param>
    /// <exception cref="BadInputException">The template refuses the messages, or is at fault.</exception>
    public string Render(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt, IReadOnlyDictionary<string, object?>? extra = null) =>
        Run(messages, addGenerationPrompt, extra).Whole.ToString();

    /// <summary>
    /// Where in the rendering of a finished conversation the template's <c>{% generation %}</c> blocks wrote: what the assistant said, as transformers'
    /// <c>return_assistant_tokens_mask</c> finds it. Empty where the template has no such blocks.
    /// </summary>
    /// <param name="messages">The messages.</param>
    /// <exception cref="BadInputException">The template refuses the messages, or is at fault.</exception>
    public IReadOnlyList<Range> Generated(IReadOnlyList<ChatMessage> messages) => Run(messages, addGenerationPrompt: false, extra: null).Generated;

    /// <summary>
    /// A prompt and the completion that follows it. The prompt ends where the assistant's answer begins; the completion is what the whole conversation adds to
    /// it. Where a template writes the prompt differently once the answer is there, they are cut where they first differ, as TRL does.
    /// </summary>
    /// <param name="prompt">The messages before the answer.</param>
    /// <param name="completion">The answer: one message or more.</param>
    /// <param name="extra">As for <see cref="Render"/>.</param>
    public (string Prompt, string Completion) RenderPair(IReadOnlyList<ChatMessage> prompt, IReadOnlyList<ChatMessage> completion,
        IReadOnlyDictionary<string, object?>? extra = null)
    {
        var before = Render(prompt, addGenerationPrompt: true, extra);
        var whole = Render([.. prompt, .. completion], addGenerationPrompt: false, extra);
        var shared = before.AsSpan().CommonPrefixLength(whole);
        return (whole[..shared], whole[shared..]);
    }

    private RenderContext Run(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt, IReadOnlyDictionary<string, object?>? extra)
    {
        ArgumentNullException.ThrowIfNull(messages);
        if (ToolUse is not null && extra?.GetValueOrDefault("tools") is not null)
            return ToolUse.Run(messages, addGenerationPrompt, extra);
        var scope = Globals.Create();
        long size = 0;
        // transformers always passes these two, as None where there are none.
        scope.Set("tools", null);
        scope.Set("documents", null);
        try
        {
            foreach (var (name, value) in SpecialTokens.Concat(extra ?? new Dictionary<string, object?>()))
                scope.Set(name, TemplateValues.FromHost(value, ref size));
            scope.Set("messages", TemplateValues.FromHost(messages, ref size));
        }
        catch (InvalidOperationException fault)
        {
            throw ChatMessage.HalfPair(_name, fault);
        }

        scope.Set("add_generation_prompt", addGenerationPrompt);
        var context = new RenderContext(BaseBudget + (BudgetPerCharacter * size), Clock);
        try
        {
            _body.Execute(context, new Scope(scope));
            return context;
        }
        catch (TemplateFault fault)
        {
            throw new BadInputException($"{_name}, line {context.Line}: {fault.Message}", fault);
        }
    }
}
