using LlmRL.Algorithms;
using LlmRL.Data;
using LlmRL.Tokenization;
using LlmRL.Tokenization.Chat;
using LlmRL.Training;

namespace LlmRL.Tests.Data;

/// <summary>What of a conversation <c>assistant_only_loss</c> learns.</summary>
public sealed class AssistantSpansTests
{
    private const string ChatMl = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

    // Thoughts of earlier turns are left out, as reasoning models' templates do.
    private const string Forgetful = "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if loop.last %}{{ m.content }}{% else %}{{ m.content.split('</think>')[-1] }}{% endif %}<|im_end|>\n{% endfor %}";

    private const string Marked = "{% for m in messages %}{% if m.role == 'assistant' %}A:{% generation %}{{ m.content }}</s>{% endgeneration %}{% else %}U:{{ m.content }};{% endif %}{% endfor %}";

    private static readonly ChatMessage[] Talk =
        [new("system", "yes"), new("user", "yes?"), new("assistant", "yes"), new("user", "sure"), new("assistant", "no"), new("user", "bye")];

    [Fact]
    public void Turns_end_with_the_end_of_turn_token_and_what_others_say_is_left_out()
    {
        Assert.Equal(["yes<|im_end|>", "no<|im_end|>"], Said(ChatMl, [], Talk));
        // The last answer's end of turn is EOS, which is put behind the text.
        Assert.Equal(["yes<|im_end|>", "no"], Said(ChatMl, [], Talk[..^1]));
    }

    [Fact]
    public void Of_a_prompt_with_a_completion_only_the_completion_counts() => Assert.Equal(["no"], Said(ChatMl, Talk[..4], Talk[4..5]));

    [Fact]
    public void Thoughts_that_a_template_forgets_are_not_looked_for() =>
        Assert.Equal(["a<|im_end|>", "<think>q</think>b"], Said(Forgetful, [], [new("user", "x"), new("assistant", "<think>p</think>a"), new("user", "y"), new("assistant", "<think>q</think>b")]));

    [Fact]
    public void Of_a_preference_pair_the_chosen_answer_counts()
    {
        var pair = new Example { Prompt = "", Conversation = new Conversation { Prompt = Talk[..2], Chosen = Talk[2..5], Rejected = Talk[2..3] } };
        Assert.Equal([" yes", " no"], Parts(pair, PlainChat.Form));
    }

    [Fact]
    public void A_templates_own_marks_are_taken() => Assert.Equal(["yes</s>", "no</s>"], Said(Marked, [], Talk[1..], "</s>"));

    [Fact]
    public void Without_a_template_a_turn_is_its_line() =>
        Assert.Equal([" yes", " no"], Parts(Example([], Talk), PlainChat.Form));

    [Fact]
    public void Rows_with_nothing_to_learn_are_refused()
    {
        Assert.Contains("no message of the assistant", Assert.Throws<BadInputException>(() => Said(ChatMl, [], Talk[..2])).Message);
        Assert.Contains("row 1: what follows message 3, of the assistant, depends on it", Assert.Throws<BadInputException>(() => Said("{% for m in messages %}{{ m.content }};{% endfor %}{{ messages[2].content }}", [], Talk)).Message);
        Assert.Contains("is plain text", Assert.Throws<BadInputException>(() => AssistantSpans.Of(new Example { Prompt = "a", Completion = "b" }, PlainChat.Form)).Message);
    }

    [Fact]
    public void Tokens_within_the_turns_are_learned_and_the_last_eos_with_them()
    {
        var tokenizer = TokenizerLoader.Load("bytes");
        var example = ConversationText.Apply(Example([], Talk[..^1]), PlainChat.Form);
        var (_, ids, within) = Prompting.EncodeMarked(tokenizer, example.Prompt, example.Completion!, AssistantSpans.Of(example, PlainChat.Form), example.HasSpecialTokens);
        Assert.Equal(" yes no", tokenizer.Decode([.. ids.Where((_, i) => within[i])]));
        Assert.Equal(tokenizer.EosId, ids[^1]);
        Assert.True(within[^1]);
        var asked = ConversationText.Apply(Example([], Talk), PlainChat.Form);
        Assert.False(Prompting.EncodeMarked(tokenizer, asked.Prompt, asked.Completion!, AssistantSpans.Of(asked, PlainChat.Form), asked.HasSpecialTokens).Within[^1]);
    }

    [SharedFact("data/tok/qwen2_5/tokenizer.json")]
    public void Qwens_conversations_are_learned_turn_by_turn()
    {
        var tokenizer = TokenizerLoader.Load(Shared.Path("data/tok/qwen2_5"));
        var form = ChatForm.Of(tokenizer);
        ChatMessage[] talk = [new("user", "Hi there"), new("assistant", "Hello! How are you?"), new("user", "Fine."), new("assistant", "Good to hear.")];
        var example = ConversationText.Apply(Example([], talk), form);
        var (prompt, ids, within) = Prompting.EncodeMarked(tokenizer, example.Prompt, example.Completion!, AssistantSpans.Of(example, form), example.HasSpecialTokens);
        Assert.Equal("Hello! How are you?<|im_end|>Good to hear.<|im_end|>", tokenizer.Decode([.. ids.Where((_, i) => within[i])], skipSpecialTokens: false));
        // The same ids as without marks.
        Assert.Equal(Prompting.EncodePair(tokenizer, example.Prompt, example.Completion!, example.HasSpecialTokens), (prompt, ids), PairComparer.Instance);
    }

    [Fact]
    public void Only_learned_tokens_are_counted()
    {
        var row = new EncodedExample([[1, 2, 3, 4, 5]], 2, new Example { Prompt = "" }) { Learned = [[true, false, true]] };
        Assert.Equal(2, row.TargetCount);
        Assert.Equal([true, false, true], Enumerable.Range(2, 3).Select(t => row.Learns(0, t)));
        Assert.Equal(row.Learned, SavedExample.Of(row).Restore().Learned);
    }

    private static string[] Said(string template, ChatMessage[] prompt, ChatMessage[] completion, string endOfTurn = "<|im_end|>")
    {
        var chat = ChatTemplate.Parse(template);
        return Parts(Example(prompt, completion), new ChatForm((messages, open) => chat.Render(messages, open), endOfTurn, HasSpecialTokens: true) { Generated = chat.Generated });
    }

    private static string[] Parts(Example example, ChatForm form)
    {
        var written = ConversationText.Apply(example, form);
        return [.. AssistantSpans.Of(written, form).Select(span => (written.Completion ?? written.Chosen)![span])];
    }

    private static Example Example(ChatMessage[] prompt, ChatMessage[] completion) =>
        new() { Prompt = "", Source = "row 1", Conversation = new Conversation { Prompt = prompt, Completion = completion } };

    private sealed class PairComparer : IEqualityComparer<(int[] Prompt, int[] Completion)>
    {
        public static readonly PairComparer Instance = new();

        public bool Equals((int[] Prompt, int[] Completion) x, (int[] Prompt, int[] Completion) y) => x.Prompt.SequenceEqual(y.Prompt) && x.Completion.SequenceEqual(y.Completion);

        public int GetHashCode((int[] Prompt, int[] Completion) pair) => pair.Prompt.Length;
    }
}
