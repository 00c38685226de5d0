using System.Text.Json;
using LlmRL.Tokenization;
using LlmRL.Tokenization.Chat;

namespace LlmRL.Tests.Tokenization.Chat;

/// <summary>
/// The well-known shapes of conversations. The templates are written here in the manner of the published ones; the expected texts follow from the formats'
/// descriptions in the models' documentation.
/// </summary>
public class ChatTemplateTests
{
    private const string ChatMl = """
        {% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}
        {% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}
        """;

    private const string Llama2 = """
        {%- set turns = messages -%}
        {%- set system = false -%}
        {%- if messages[0]['role'] == 'system' -%}
            {%- set turns = messages[1:] -%}
            {%- set system = messages[0]['content'] -%}
        {%- endif -%}
        {%- for turn in turns -%}
            {%- if (turn['role'] == 'user') != (loop.index0 % 2 == 0) -%}
                {{- raise_exception('user and assistant must take turns') -}}
            {%- endif -%}
            {%- set content = turn['content'] -%}
            {%- if loop.index0 == 0 and system != false -%}
                {%- set content = '<<SYS>>\n' + system + '\n<</SYS>>\n\n' + turn['content'] -%}
            {%- endif -%}
            {%- if turn['role'] == 'user' -%}
                {{- bos_token + '[INST] ' + content.strip() + ' [/INST]' -}}
            {%- elif turn['role'] == 'assistant' -%}
                {{- ' ' + content.strip() + ' ' + eos_token -}}
            {%- endif -%}
        {%- endfor -%}
        """;

    private const string Llama3 = """
        {% for message in messages %}
        {% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' %}
        {% if loop.first %}{% set content = bos_token + content %}{% endif %}
        {{- content -}}
        {% endfor %}
        {% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}
        """;

    private const string Zephyr = """
        {% for message in messages %}
        {% if message['role'] in ['user', 'system', 'assistant'] %}
        {{ '<|' + message['role'] + '|>\n' + message['content'] + eos_token }}
        {% endif %}
        {% if loop.last and add_generation_prompt %}
        {{ '<|assistant|>' }}
        {% endif %}
        {% endfor %}
        """;

    private const string Mistral = """
        {{- bos_token -}}
        {%- for message in messages -%}
            {%- if (message.role == 'user') != (loop.index0 % 2 == 0) -%}
                {{- raise_exception('Roles must alternate: user, assistant, user, …') -}}
            {%- endif -%}
            {%- if message.role == 'user' -%}{{- ' [INST] ' ~ message.content ~ ' [/INST]' -}}
            {%- else -%}{{- ' ' ~ message.content ~ eos_token -}}{%- endif -%}
        {%- endfor -%}
        """;

    private const string Gemma = """
        {{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('there is no system role') }}{% endif %}
        {% for message in messages %}
        {% set role = 'model' if message.role == 'assistant' else message.role %}
        {{ '<start_of_turn>' ~ role ~ '\n' ~ (message.content | trim) ~ '<end_of_turn>\n' -}}
        {% endfor %}
        {%- if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}
        """;

    private static readonly ChatMessage System = new("system", "Be brief."), Hi = new("user", " Hi "), Hello = new("assistant", "Hello."), Why = new("user", "Why?");

    [Theory]
    [InlineData(ChatMl, "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n Hi <|im_end|>\n<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n"
        + "<|im_start|>assistant\n")]
    [InlineData(Llama2, "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n Hi [/INST] Hello. </s><s>[INST] Why? [/INST]")]
    [InlineData(Llama3, "<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
        + "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n")]
    [InlineData(Zephyr, "<|system|>\nBe brief.</s>\n<|user|>\n Hi </s>\n<|assistant|>\nHello.</s>\n<|user|>\nWhy?</s>\n<|assistant|>\n")]
    public void A_conversation_with_a_system_message(string template, string expected) => Assert.Equal(expected, Parse(template).Render([System, Hi, Hello, Why], true));

    [Theory]
    [InlineData(Mistral, "<s> [INST]  Hi  [/INST] Hello.</s> [INST] Why? [/INST]")]
    [InlineData(Gemma, "<s><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\nHello.<end_of_turn>\n<start_of_turn>user\nWhy?<end_of_turn>\n<start_of_turn>model\n")]
    [InlineData(Llama2, "<s>[INST] Hi [/INST] Hello. </s><s>[INST] Why? [/INST]")]
    public void A_conversation_without(string template, string expected) => Assert.Equal(expected, Parse(template).Render([Hi, Hello, Why], true));

    [Theory]
    [InlineData(Mistral, "Roles must alternate: user, assistant, user, …")]
    [InlineData(Gemma, "there is no system role")]
    public void A_template_may_refuse(string template, string reason)
    {
        var fault = Assert.Throws<BadInputException>(() => Parse(template).Render([System, Hi], true));
        Assert.Contains("the template refuses these messages: " + reason, fault.Message);
    }

    [Fact]
    public void A_pair_is_cut_where_the_answer_begins()
    {
        Assert.Equal(("<s> [INST] Why? [/INST]", " Hello.</s>"), Parse(Mistral).RenderPair([Why], [Hello]));
        Assert.Equal(("<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n", "Hello.<|im_end|>\n"), Parse(ChatMl).RenderPair([Why], [Hello]));
        // This template writes earlier answers without their thoughts: the prompt ends where the two renderings part.
        var thoughts = Parse("{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}{% if add_generation_prompt %}assistant:<think>{% endif %}");
        Assert.Equal(("user:Why?;assistant:", "Hello.;"), thoughts.RenderPair([Why], [Hello]));
    }

    [SharedFact("data/tok/qwen2_5")]
    public void Qwen_writes_tools_and_their_calls()
    {
        const string Tool = """{"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {"a": {"type": "number"}}}}}""";
        var tokenizer = TokenizerLoader.Load(Shared.Path("data/tok/qwen2_5"));
        var messages = ChatMessage.ReadList(JsonDocument.Parse("""
            [{"role": "user", "content": "1+2?"},
             {"role": "assistant", "content": null, "tool_calls": [{"type": "function", "function": {"name": "add", "arguments": {"a": [1, 2.0]}}}]},
             {"role": "tool", "content": "3"}, {"role": "tool", "content": "three"}]
            """).RootElement, "test");
        var tools = new Dictionary<string, object?> { ["tools"] = new[] { JsonDocument.Parse(Tool).RootElement } };
        Assert.Equal($$$"""
            <|im_start|>system
            You are Qwen, created by Alibaba Cloud. You are a helpful assistant.

            # Tools

            You may call one or more functions to assist with the user query.

            You are provided with function signatures within <tools></tools> XML tags:
            <tools>
            {{{Tool}}}
            </tools>

            For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
            <tool_call>
            {"name": <function-name>, "arguments": <args-json-object>}
            </tool_call><|im_end|>
            <|im_start|>user
            1+2?<|im_end|>
            <|im_start|>assistant
            <tool_call>
            {"name": "add", "arguments": {"a": [1, 2.0]}}
            </tool_call><|im_end|>
            <|im_start|>user
            <tool_response>
            3
            </tool_response>
            <tool_response>
            three
            </tool_response><|im_end|>
            <|im_start|>assistant

            """, tokenizer.ChatTemplate!.Render(messages, true, tools));
        var plain = tokenizer.ChatTemplate.Render([Why], true);
        Assert.Equal("<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n", plain);
        // <|im_start|> is 151644 and <|im_end|> 151645 in Qwen2.5's own files.
        var ids = Prompting.EncodeRendered(tokenizer, plain);
        Assert.Equal((3, 2), (ids.Count(id => id == 151644), ids.Count(id => id == 151645)));
    }

    [Fact]
    public void Messages_are_read_from_json_and_faults_named()
    {
        var message = ChatMessage.Read(JsonDocument.Parse("""{"role": "user", "content": [{"type": "text", "text": "hi"}], "name": "n"}""").RootElement, "x");
        Assert.Null(message.Content);
        Assert.Equal("hi n", ChatTemplate.Parse("{{ messages[0].content[0].text }} {{ messages[0].name }}").Render([message], false));
        Fails("""{"role": "user", "content": "\ud800"}""", "x:3, message 1: a string has one half of a surrogate pair");
        Fails("""{"content": "x"}""", "x:3, message 1: an object with \"role\" and \"content\" was expected, found {");
        Fails("""{"role": "user", "content": 3}""", "x:3, message 1: content: a string or a list of parts was expected, found 3");

        static void Fails(string json, string expected) =>
            Assert.StartsWith(expected, Assert.Throws<BadInputException>(() => ChatMessage.ReadList(JsonDocument.Parse($"[{json}]").RootElement, "x:3")).Message);
    }

    private static ChatTemplate Parse(string source) =>
        ChatTemplate.Parse(source).With(new Dictionary<string, object?> { ["bos_token"] = "<s>", ["eos_token"] = "</s>" });
}
